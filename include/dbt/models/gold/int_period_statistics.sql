with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

periods as (

    select * from {{ ref('int_glucose_periods') }}

),

targets as (

    select * from {{ ref('int_site_targets') }}

),

-- scored before they are multiplied: a reading lies in up to six periods
scored as (

    select
        site_id,
        reading_date,
        glucose_mg_dl,
        {{ blood_glucose_risk('glucose_mg_dl') }} as risk

    from readings

),

in_periods as (

    select
        scored.*,
        periods.period_days,
        periods.is_current,
        periods.expected_count,
        targets.target_low_mg_dl,
        targets.target_high_mg_dl

    from scored

    inner join periods
        on
            scored.site_id = periods.site_id
            and scored.reading_date >= periods.period_start
            and scored.reading_date <= periods.period_end

    inner join targets on scored.site_id = targets.site_id

),

measured as (

    select
        site_id,
        period_days,
        is_current,
        count(distinct reading_date) as day_count,
        count(*) as reading_count,
        {{ percent_of('count(*)', 'expected_count') }} as coverage_pct,
        {{ percent_of_rows('glucose_mg_dl < target_low_mg_dl') }}
            as time_below_target_range_pct,
        {{ percent_of_rows('glucose_mg_dl >= target_low_mg_dl
            and glucose_mg_dl <= target_high_mg_dl') }}
            as time_in_target_range_pct,
        {{ percent_of_rows('glucose_mg_dl > target_high_mg_dl') }}
            as time_above_target_range_pct,
        {{ glucose_statistics('glucose_mg_dl', 'risk') }}

    from in_periods

    group by site_id, period_days, is_current, expected_count

),

derived as (

    select
        *,
        coverage_pct >= 70 as is_sufficient,
        {{ percent_of('stddev_glucose_mg_dl', 'avg_glucose_mg_dl') }} as cv_pct,
        {{ glycemia_risk_index('time_below_54_pct', 'time_54_69_pct',
            'time_181_250_pct', 'time_above_250_pct') }} as gri,
        {{ j_index('avg_glucose_mg_dl', 'stddev_glucose_mg_dl') }} as j_index,
        case
            when period_days >= 14 and coverage_pct >= 70
                then {{ glucose_management_indicator('avg_glucose_mg_dl') }}
        end as gmi_pct

    from measured

)

select * from derived
