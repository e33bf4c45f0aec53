with

raw_entries as (

    select * from {{ source('raw', 'glucose_entries') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

entries as (

    select
        site_id,
        _id as entry_id,
        case when type = 'mbg' then mbg else sgv end as glucose_mg_dl,
        reading_at as reading_timestamp,
        date_string as timestamp_iso,
        direction,
        trend,
        device,
        type as reading_type,
        utc_offset as utc_offset_minutes,
        ingested_at

    from raw_entries

    where
        deleted_at is null
        and site_id in (select sites.site_id from sites)

)

select * from entries
