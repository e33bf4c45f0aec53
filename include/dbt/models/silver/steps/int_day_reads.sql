with

outcomes as (

    select * from {{ source('raw', 'ingest_outcomes') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

windows as (

    select
        site_id,
        window_start,
        window_end,
        min(fetched_at) as first_read_at

    from outcomes

    where
        status = 'merged'
        and kind = 'window'
        and collection = 'entries'

    group by site_id, window_start, window_end

),

-- windows hold at most 31 local days, and no zone is more than a day away from UTC
window_days as (

    select
        windows.*,
        cast(
            cast({{ in_zone('windows.window_start', "'UTC'") }} as date)
            + later_days.day_number * interval '1' day as date
        ) as reading_date

    from windows

    cross join {{ numbers(0, 32) }} as later_days (day_number)

),

day_reads as (

    select
        window_days.site_id,
        window_days.reading_date,
        min(window_days.first_read_at) as first_read_at

    from window_days

    inner join local_days
        on
            window_days.site_id = local_days.site_id
            and window_days.reading_date = local_days.reading_date

    where
        window_days.window_start <= local_days.day_start_at
        and window_days.window_end >= local_days.day_end_at

    group by window_days.site_id, window_days.reading_date

)

select * from day_reads
