with

days as (

    select * from {{ ref('int_local_days') }}

),

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

counted as (

    select
        days.site_id,
        days.reading_date,
        days.expected_count,
        count(readings.entry_id) as reading_count,
        count(*) filter (where readings.slot_start < days.data_through)
            as covered_count,
        {{ exact_sum('readings.glucose_mg_dl') }} as glucose_sum,
        count(*) filter (where readings.is_in_range = 1) as in_range_count,
        count(*) filter (where readings.glucose_mg_dl < 70) as low_count,
        count(*) filter (where readings.glucose_mg_dl > 250)
            as very_high_count

    from days

    left join readings
        on
            days.site_id = readings.site_id
            and days.reading_date = readings.reading_date

    group by days.site_id, days.reading_date, days.expected_count

),

pooled as (

    select
        *,
        {% for days in [7, 14] -%}
            {{ trailing('sum(glucose_sum)', days) }}
            / nullif({{ trailing('sum(reading_count)', days) }}, 0)
                as avg_glucose_{{ days }}d_mg_dl,
        {% endfor -%}
        {% for days in [7, 14, 30] -%}
            {{ percent_of(
                trailing('sum(in_range_count)', days),
                trailing('sum(reading_count)', days)
            ) }} as time_in_range_{{ days }}d_pct,
        {% endfor -%}
        {{ percent_of(
            trailing('sum(covered_count)', 14),
            trailing('sum(expected_count)', 14)
        ) }} as estimated_a1c_coverage_pct

    from counted

),

estimated as (

    select
        *,
        case
            when estimated_a1c_coverage_pct >= 70
                then
                    {{ glucose_management_indicator('avg_glucose_14d_mg_dl') }}
        end as estimated_a1c_pct

    from pooled

),

averaged as (

    select
        site_id,
        reading_date,
        reading_count,
        expected_count,
        low_count,
        very_high_count,
        avg_glucose_7d_mg_dl,
        time_in_range_7d_pct,
        time_in_range_14d_pct,
        time_in_range_30d_pct,
        estimated_a1c_pct,
        estimated_a1c_coverage_pct,
        {{ trailing('avg(estimated_a1c_pct)', 7) }} as estimated_a1c_7d_avg

    from estimated

)

select * from averaged
