with

raw_treatments as (

    select * from {{ source('raw', 'treatments') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

switches as (

    select *

    from raw_treatments

    where
        deleted_at is null
        and basal_schedule is not null
        and site_id in (select sites.site_id from sites)

),

segments as (

    select
        switches.*,
        {{ json_text('schedule.segment', 'start_seconds') }} as start_seconds,
        {{ json_text('schedule.segment', 'units_per_hour') }} as units_per_hour

    from switches
    cross join {{ json_elements('switches.basal_schedule') }} as schedule (segment)

),

basal_segments as (

    select
        site_id,
        _id as treatment_id,
        treated_at as switched_at,
        -- AAPS 3 sends its duration in other units, and this in milliseconds
        coalesce(
            {{ json_number('payload', 'originalDuration') }} / 6e4,
            duration_minutes
        ) as duration_minutes,
        cast(start_seconds as bigint) as segment_start_seconds,
        cast(units_per_hour as double) as basal_units_per_hour

    from segments

)

select * from basal_segments
