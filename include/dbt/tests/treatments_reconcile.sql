-- live treatments = kept + duplicates; sites that bronze does not know would show here
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

received as (

    select
        site_id,
        count(*) as live_count

    from raw_treatments

    where
        deleted_at is null
        and (
            site_id not in (select site_id from sites where is_demo)
            or not exists (select 1 from sites where not is_demo)
        )

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
