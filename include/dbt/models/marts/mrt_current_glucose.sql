with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

data_through as (

    select * from {{ ref('int_site_data_through') }}

),

last_readings as (

    select
        site_id,
        max(reading_timestamp) as reading_timestamp

    from readings

    group by site_id

),

described as (

    select
        readings.site_id,
        readings.reading_timestamp,
        readings.reading_timestamp_local,
        readings.glucose_mg_dl,
        readings.direction,
        case
            when readings.minutes_since_last_reading between 2 and 15
                then readings.glucose_change_mg_dl
        end as glucose_change_mg_dl,
        data_through.data_through

    from readings

    inner join last_readings
        on
            readings.site_id = last_readings.site_id
            and readings.reading_timestamp = last_readings.reading_timestamp

    inner join data_through on readings.site_id = data_through.site_id

)

select * from described
