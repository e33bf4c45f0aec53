with

raw_entries as (

    select * from {{ source('raw', 'glucose_entries') }}

),

quarantine as (

    select * from {{ source('raw', 'quarantine') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

accepted as (

    select
        site_id,
        _id as document_key,
        reading_at as counted_at,
        first_seen_at,
        device,
        case
            when deleted_at is not null then 'deleted'
            when type = 'sgv' and sgv >= 20 and sgv <= 600 then 'reading'
            when type in ('mbg', 'cal') then 'other_type'
            else 'excluded'
        end as outcome

    from raw_entries

),

quarantined as (

    select
        site_id,
        payload_hash as document_key,
        coalesce(document_at, window_start) as counted_at,
        first_seen_at,
        cast(null as varchar) as device,
        'quarantined' as outcome

    from quarantine

    where collection = 'entries' and resolved_at is null

),

received as (

    select * from accepted

    union all

    select * from quarantined

)

select * from received
where site_id in (select sites.site_id from sites)
