with

raw_profiles as (

    select * from {{ source('raw', 'profiles') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

profiles as (

    select *

    from raw_profiles

    where
        deleted_at is null
        and site_id in (select sites.site_id from sites)

),

segments as (

    select
        profiles.*,
        {{ json_text('schedule.segment', 'start_seconds') }} as start_seconds,
        {{ json_text('schedule.segment', 'units_per_hour') }} as units_per_hour

    from profiles
    cross join {{ json_elements('profiles.basal_schedule') }} as schedule (segment)

),

basal_segments as (

    select
        site_id,
        _id as profile_id,
        valid_from_at,
        profile_name,
        zone,
        cast(start_seconds as bigint) as segment_start_seconds,
        cast(units_per_hour as double) as basal_units_per_hour,
        ingested_at

    from segments

)

select * from basal_segments
