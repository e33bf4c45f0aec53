with

entries as (

    select * from {{ ref('stg_received_entries') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

day_reads as (

    select * from {{ ref('int_day_reads') }}

),

dated as (

    select
        entries.*,
        {{ local_date(
            in_zone('entries.counted_at', 'sites.zone'), 'sites.last_date'
        ) }} as reading_date

    from entries

    inner join sites
        on
            entries.site_id = sites.site_id
            and {{ valid_at('sites', 'entries.counted_at') }}

),

days as (

    select
        dated.site_id,
        dated.reading_date,
        count(*) as received_count,
        count(*) filter (where dated.outcome = 'reading') as candidate_count,
        count(*) filter (where dated.outcome = 'excluded') as excluded_count,
        count(*) filter (where dated.outcome = 'other_type') as other_type_count,
        count(*) filter (where dated.outcome = 'deleted') as deleted_count,
        count(*) filter (where dated.outcome = 'quarantined') as quarantined_count,
        count(distinct case
            when dated.outcome = 'reading' then coalesce(dated.device, '')
        end) as device_count,
        count(*) filter (
            where dated.outcome <> 'quarantined'
            and dated.first_seen_at > dated.counted_at + interval '24' hour
            and dated.first_seen_at > day_reads.first_read_at
        ) as late_count

    from dated

    left join day_reads
        on
            dated.site_id = day_reads.site_id
            and dated.reading_date = day_reads.reading_date

    group by dated.site_id, dated.reading_date

)

select * from days
