-- live treatments = kept + duplicates, also of sites unknown to bronze
with

raw_treatments as (

    select * from {{ source('raw', 'treatments') }}

),

sites as (

    select * from {{ source('raw', 'sites') }}

),

treatments as (

    select * from {{ ref('fct_treatments') }}

),

-- said again, apart from bronze
left_out as (

    select distinct demo_sites.site_id

    from sites as demo_sites

    cross join sites as real_sites

    where demo_sites.is_demo and not real_sites.is_demo

),

received as (

    select
        site_id,
        count(*) as live_count

    from raw_treatments

    where
        deleted_at is null
        and site_id not in (select left_out.site_id from left_out)

    group by site_id

),

accounted as (

    select
        site_id,
        count(*) + sum(duplicate_count) as accounted_count

    from treatments

    group by site_id

)

select
    received.*,
    accounted.accounted_count

from received

left join accounted on received.site_id = accounted.site_id

where received.live_count <> coalesce(accounted.accounted_count, 0)
