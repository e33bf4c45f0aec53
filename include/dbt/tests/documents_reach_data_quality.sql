-- every entry in raw or in quarantine is counted, once, and in the right column
with

entries as (

    select * from {{ source('raw', 'glucose_entries') }}

),

quarantine as (

    select * from {{ source('raw', 'quarantine') }}

),

sites as (

    select * from {{ ref('dim_sites') }}

),

quality as (

    select * from {{ ref('mrt_data_quality') }}

),

parts as (

    select
        site_id,
        count(*) as received_count,
        count(distinct case
            when
                deleted_at is null and type = 'sgv' and sgv >= 20 and sgv <= 600
                then {{ slot_start('reading_at') }}
        end) as kept_count,
        count(deleted_at) as deleted_count,
        0 as quarantined_count

    from entries

    where site_id in (select sites.site_id from sites)

    group by site_id

    union all

    select
        site_id,
        count(*) as received_count,
        0 as kept_count,
        0 as deleted_count,
        count(*) as quarantined_count

    from quarantine

    where
        collection = 'entries'
        and resolved_at is null
        and site_id in (select sites.site_id from sites)

    group by site_id

    union all

    select
        site_id,
        -sum(received_count) as received_count,
        -sum(kept_count) as kept_count,
        -sum(deleted_count) as deleted_count,
        -sum(quarantined_count) as quarantined_count

    from quality

    group by site_id

)

select
    site_id,
    sum(received_count) as missing_count,
    sum(kept_count) as missing_kept_count,
    sum(deleted_count) as missing_deleted_count,
    sum(quarantined_count) as missing_quarantined_count

from parts

group by site_id

having
    sum(received_count) <> 0
    or sum(kept_count) <> 0
    or sum(deleted_count) <> 0
    or sum(quarantined_count) <> 0
