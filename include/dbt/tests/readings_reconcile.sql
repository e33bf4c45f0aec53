-- live sgv documents = kept + duplicates + excluded, also of sites unknown to bronze
with

entries as (

    select * from {{ source('raw', 'glucose_entries') }}

),

sites as (

    select * from {{ source('raw', 'sites') }}

),

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

-- said again, apart from bronze
left_out as (

    select distinct demo_sites.site_id

    from sites as demo_sites

    cross join sites as real_sites

    where demo_sites.is_demo and not real_sites.is_demo

),

documents as (

    select
        site_id,
        sgv >= 20 and sgv <= 600 as is_reading,
        {{ slot_start('reading_at') }} as slot_start

    from entries

    where
        type = 'sgv'
        and deleted_at is null
        and site_id not in (select left_out.site_id from left_out)

),

received as (

    select
        site_id,
        count(*) as live_count,
        count(*) filter (where not is_reading) as excluded_count,
        count(*) filter (where is_reading)
        - count(distinct case when is_reading then slot_start end)
            as duplicate_count

    from documents

    group by site_id

),

kept as (

    select
        site_id,
        count(*) as kept_count

    from readings

    group by site_id

)

select
    received.*,
    kept.kept_count

from received

left join kept on received.site_id = kept.site_id

where
    received.live_count
    <> coalesce(kept.kept_count, 0)
    + received.duplicate_count
    + received.excluded_count
