with

outcomes as (

    select * from {{ source('raw', 'ingest_outcomes') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

collections as (

    select
        site_id,
        collection,
        max(window_end) as data_through

    from outcomes

    where
        status = 'merged'
        and kind = 'window'
        and collection in ('entries', 'treatments')
        and site_id in (select sites.site_id from sites)

    group by site_id, collection

),

slowest_collection as (

    select
        site_id,
        min(data_through) as data_through

    from collections

    group by site_id

)

select * from slowest_collection
