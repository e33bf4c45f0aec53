with

trailing_days as (

    select * from {{ ref('int_trailing_glucose') }}

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

days as (

    select
        trailing_days.site_id,
        trailing_days.reading_date,
        {{ day_name('trailing_days.reading_date') }} as day_name,
        trailing_days.reading_count,
        trailing_days.expected_count,
        coalesce(
            metrics.coverage_pct,
            {{ percent_of('0', 'trailing_days.expected_count') }}
        ) as coverage_pct,
        coalesce(metrics.is_sufficient, false) as is_sufficient,
        metrics.avg_glucose_mg_dl,
        metrics.min_glucose_mg_dl,
        metrics.max_glucose_mg_dl,
        metrics.stddev_glucose_mg_dl,
        metrics.cv_pct,
        metrics.time_in_range_pct,
        metrics.time_below_range_pct,
        metrics.time_above_range_pct,
        metrics.time_below_54_pct,
        metrics.time_above_250_pct,
        trailing_days.avg_glucose_7d_mg_dl,
        trailing_days.time_in_range_7d_pct,
        trailing_days.time_in_range_14d_pct,
        trailing_days.time_in_range_30d_pct,
        trailing_days.estimated_a1c_pct,
        trailing_days.estimated_a1c_coverage_pct,
        trailing_days.estimated_a1c_7d_avg,
        case
            when not metrics.is_sufficient then null
            when metrics.time_in_range_pct >= 70 then 'Excellent'
            when metrics.time_in_range_pct >= 50 then 'Good'
            when metrics.time_in_range_pct >= 30 then 'Needs Improvement'
            when metrics.time_in_range_pct < 30 then 'Critical'
        end as diabetes_management_rating,
        case
            when trailing_days.low_count > 3 then 'CRITICAL'
            when trailing_days.very_high_count > 5 then 'ALERT'
            when trailing_days.reading_count > 0 then 'OK'
        end as day_status

    from trailing_days

    inner join first_days on trailing_days.site_id = first_days.site_id

    left join metrics
        on
            trailing_days.site_id = metrics.site_id
            and trailing_days.reading_date = metrics.reading_date

    where trailing_days.reading_date >= first_days.first_date

)

select * from days
