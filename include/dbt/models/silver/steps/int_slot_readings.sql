with

entries as (

    select * from {{ ref('stg_glucose_entries') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

readings as (

    select
        *,
        {{ slot_start('reading_timestamp') }} as slot_start

    from entries

    where
        reading_type = 'sgv'
        and glucose_mg_dl >= 20
        and glucose_mg_dl <= 600

),

ranked as (

    select
        *,
        row_number() over (
            partition by site_id, slot_start
            order by
                case when direction is null then 1 else 0 end asc,
                reading_timestamp desc,
                device asc nulls last,
                entry_id asc
        ) as slot_rank

    from readings

),

localized as (

    select
        ranked.site_id,
        ranked.slot_start,
        ranked.entry_id,
        ranked.reading_timestamp,
        {{ in_zone('ranked.reading_timestamp', 'sites.zone') }}
            as reading_timestamp_local,
        sites.last_date,
        ranked.glucose_mg_dl,
        ranked.direction,
        ranked.device

    from ranked

    inner join sites
        on
            ranked.site_id = sites.site_id
            and {{ valid_at('sites', 'ranked.reading_timestamp') }}

    where ranked.slot_rank = 1

),

dated as (

    select
        site_id,
        slot_start,
        entry_id,
        reading_timestamp,
        reading_timestamp_local,
        {{ local_date('reading_timestamp_local', 'last_date') }}
            as reading_date,
        glucose_mg_dl,
        direction,
        device

    from localized

)

select * from dated
