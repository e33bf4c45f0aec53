with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

steps as (

    select
        readings.site_id,
        readings.reading_date,
        readings.reading_timestamp,
        readings.minutes_since_last_reading as step_minutes,
        {{ minutes_between(
            'local_days.day_start_at', 'readings.reading_timestamp'
        ) }} as minutes_of_day,
        lead(readings.reading_timestamp, 1, local_days.data_through) over (
            partition by readings.site_id order by readings.reading_timestamp
        ) as next_at

    from readings

    inner join local_days
        on
            readings.site_id = local_days.site_id
            and readings.reading_date = local_days.reading_date

),

-- gaps that end in a day, and the part of them that lies there
reading_days as (

    select
        site_id,
        reading_date,
        count(*) filter (where step_minutes > 30 and minutes_of_day > 0)
            as ended_count,
        max(case when step_minutes > 30 then least(step_minutes, minutes_of_day) end)
            as ended_minutes,
        max(reading_timestamp) as last_at,
        max(next_at) as next_at

    from steps

    group by site_id, reading_date

),

-- around each end of day: the reading before it, of whatever day, and what comes next
day_ends as (

    select
        local_days.*,
        coalesce(reading_days.ended_count, 0) as ended_count,
        coalesce(reading_days.ended_minutes, 0) as ended_minutes,
        max(reading_days.last_at) over site_days as since_at,
        max(reading_days.next_at) over site_days as until_at

    from local_days

    left join reading_days
        on
            local_days.site_id = reading_days.site_id
            and local_days.reading_date = reading_days.reading_date

    window
        site_days as (partition by local_days.site_id order by local_days.reading_date)

),

gaps as (

    select
        site_id,
        reading_date,
        ended_count + case
            when {{ minutes_between('since_at', 'until_at') }} > 30 then 1
            else 0
        end as gap_count,
        nullif(greatest(ended_minutes, case
            when {{ minutes_between('since_at', 'until_at') }} > 30
                then {{ minutes_between(
                    'greatest(since_at, day_start_at)', 'least(until_at, day_end_at)'
                ) }}
            else 0
        end), 0) as longest_gap_minutes

    from day_ends

)

select * from gaps
