with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

periods as (

    select * from {{ ref('int_glucose_periods') }}

),

recent as (

    select readings.*

    from readings

    inner join periods
        on
            readings.site_id = periods.site_id
            and readings.reading_date >= periods.period_start
            and readings.reading_date <= periods.period_end

    where periods.period_days = 90 and periods.is_current

),

hours as (

    select
        site_id,
        day_of_week,
        day_name,
        hour_of_day,
        count(*) as reading_count,
        {{ exact_avg('glucose_mg_dl') }} as avg_glucose_mg_dl,
        {{ percentile('glucose_mg_dl', 50) }} as median_glucose_mg_dl,
        {{ exact_stddev('glucose_mg_dl') }} as stddev_glucose_mg_dl,
        {{ percent_of_rows('is_in_range = 1') }} as time_in_range_pct,
        {{ percent_of_rows('glucose_mg_dl < 70') }} as time_below_range_pct,
        {{ percent_of_rows('glucose_mg_dl > 180') }} as time_above_range_pct

    from recent

    group by site_id, day_of_week, day_name, hour_of_day

)

select * from hours
