with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

-- risk: Kovatchev's symmetric scale of glucose
scored as (

    select
        readings.site_id,
        readings.reading_date,
        readings.day_name,
        readings.glucose_mg_dl,
        readings.slot_start < local_days.data_through as is_expected,
        local_days.expected_count,
        1.509e0 * (power(ln(readings.glucose_mg_dl), 1.084e0) - 5.381e0)
            as risk

    from readings

    inner join local_days
        on
            readings.site_id = local_days.site_id
            and readings.reading_date = local_days.reading_date

),

measured as (

    select
        site_id,
        reading_date,
        day_name,
        count(*) as reading_count,
        expected_count,
        {{ percent_of(
            'count(*) filter (where is_expected)', 'expected_count'
        ) }} as coverage_pct,
        {{ exact_avg('glucose_mg_dl') }} as avg_glucose_mg_dl,
        {{ percentile('glucose_mg_dl', 50) }} as median_glucose_mg_dl,
        min(glucose_mg_dl) as min_glucose_mg_dl,
        max(glucose_mg_dl) as max_glucose_mg_dl,
        {{ exact_stddev('glucose_mg_dl') }} as stddev_glucose_mg_dl,
        {{ percent_of_rows('glucose_mg_dl < 54') }} as time_below_54_pct,
        {{ percent_of_rows('glucose_mg_dl >= 54 and glucose_mg_dl < 70') }}
            as time_54_69_pct,
        {{ percent_of_rows('glucose_mg_dl < 70') }} as time_below_range_pct,
        {{ percent_of_rows('glucose_mg_dl >= 70 and glucose_mg_dl <= 180') }}
            as time_in_range_pct,
        {{ percent_of_rows('glucose_mg_dl >= 70 and glucose_mg_dl <= 140') }}
            as time_in_tight_range_pct,
        {{ percent_of_rows('glucose_mg_dl > 180') }} as time_above_range_pct,
        {{ percent_of_rows('glucose_mg_dl > 180 and glucose_mg_dl <= 250') }}
            as time_181_250_pct,
        {{ percent_of_rows('glucose_mg_dl > 250') }} as time_above_250_pct,
        {{ percentile('glucose_mg_dl', 5) }} as p05_mg_dl,
        {{ percentile('glucose_mg_dl', 25) }} as p25_mg_dl,
        {{ percentile('glucose_mg_dl', 75) }} as p75_mg_dl,
        {{ percentile('glucose_mg_dl', 95) }} as p95_mg_dl,
        10 * {{ exact_avg('power(least(risk, 0e0), 2)') }} as lbgi,
        10 * {{ exact_avg('power(greatest(risk, 0e0), 2)') }} as hbgi

    from scored

    group by site_id, reading_date, day_name, expected_count

),

derived as (

    select
        *,
        coalesce(coverage_pct >= 70, false) as is_sufficient,
        {{ percent_of('stddev_glucose_mg_dl', 'avg_glucose_mg_dl') }} as cv_pct,
        least(
            1e2,
            3e0 * time_below_54_pct
            + 2.4e0 * time_54_69_pct
            + 1.6e0 * time_above_250_pct
            + 0.8e0 * time_181_250_pct
        ) as gri,
        1e-3 * power(avg_glucose_mg_dl + stddev_glucose_mg_dl, 2) as j_index

    from measured

)

select * from derived
