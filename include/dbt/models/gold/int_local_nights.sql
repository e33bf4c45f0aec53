with

quarter_hours as (

    select * from {{ ref('int_local_quarter_hours') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

metrics as (

    select * from {{ ref('fct_daily_glucose_metrics') }}

),

first_days as (

    select
        site_id,
        min(reading_date) as first_date

    from metrics

    group by site_id

),

begun as (

    select local_days.*

    from local_days

    inner join first_days
        on
            local_days.site_id = first_days.site_id
            and local_days.reading_date >= first_days.first_date

),

-- a slot is expected when it starts before data_through
expected as (

    select
        begun.site_id,
        begun.reading_date as night_date,
        begun.day_start_at,
        begun.data_through,
        cast(sum(least(3, greatest(0, ceil(
            {{ minutes_between(
                'quarter_hours.starts_at', 'begun.data_through'
            ) }} / 5
        )))) as bigint) as expected_count

    from begun

    inner join quarter_hours
        on
            begun.site_id = quarter_hours.site_id
            and begun.reading_date = quarter_hours.reading_date

    -- the day of a move to the west holds the small hours of the old zone, too
    where
        quarter_hours.hour_of_day < 6
        and {{ minutes_between(
            'begun.day_start_at', 'quarter_hours.starts_at'
        ) }} < 720

    group by
        begun.site_id,
        begun.reading_date,
        begun.day_start_at,
        begun.data_through

)

select * from expected
