with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

local_days as (

    select * from {{ ref('int_local_days') }}

),

scored as (

    select
        readings.site_id,
        readings.reading_date,
        readings.day_name,
        readings.glucose_mg_dl,
        readings.slot_start < local_days.data_through as is_expected,
        local_days.expected_count,
        {{ blood_glucose_risk('readings.glucose_mg_dl') }} as risk

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
        {{ glucose_statistics('glucose_mg_dl', 'risk') }}

    from scored

    group by site_id, reading_date, day_name, expected_count

),

derived as (

    select
        *,
        coalesce(coverage_pct >= 70, false) as is_sufficient,
        {{ percent_of('stddev_glucose_mg_dl', 'avg_glucose_mg_dl') }} as cv_pct,
        {{ glycemia_risk_index(
            'time_below_54_pct', 'time_54_69_pct',
            'time_181_250_pct', 'time_above_250_pct'
        ) }} as gri,
        {{ j_index('avg_glucose_mg_dl', 'stddev_glucose_mg_dl') }} as j_index

    from measured

)

select * from derived
