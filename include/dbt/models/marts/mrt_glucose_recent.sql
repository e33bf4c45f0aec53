with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

periods as (

    select * from {{ ref('int_glucose_periods') }}

),

recent as (

    select
        readings.site_id,
        readings.slot_start,
        readings.reading_timestamp_local,
        readings.reading_date,
        readings.glucose_mg_dl,
        readings.glucose_category

    from readings

    inner join periods
        on
            readings.site_id = periods.site_id
            and readings.reading_date >= periods.period_start

    where periods.period_days = 30 and periods.is_current

)

select * from recent
