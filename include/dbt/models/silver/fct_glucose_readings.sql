with

readings as (

    select * from {{ ref('int_slot_readings') }}

),

-- over the site's readings, not a device's: a change of sensor is no gap
compared as (

    select
        *,
        glucose_mg_dl
        - lag(glucose_mg_dl) over site_readings as glucose_change_mg_dl,
        {{ minutes_between(
            'lag(reading_timestamp) over site_readings', 'reading_timestamp'
        ) }} as minutes_since_last_reading

    from readings

    window
        site_readings as (partition by site_id order by reading_timestamp)

),

described as (

    select
        entry_id,
        site_id,
        slot_start,
        reading_timestamp,
        reading_timestamp_local,
        reading_date,
        extract(hour from reading_timestamp_local) as hour_of_day,
        {{ day_of_week('reading_date') }} as day_of_week,
        {{ day_name('reading_date') }} as day_name,
        glucose_mg_dl,
        case
            when glucose_mg_dl < 70 then 'hypoglycemia'
            when glucose_mg_dl <= 180 then 'in_range'
            when glucose_mg_dl <= 250 then 'hyperglycemia_mild'
            else 'hyperglycemia_severe'
        end as glucose_category,
        case
            when glucose_mg_dl >= 70 and glucose_mg_dl <= 180 then 1
            else 0
        end as is_in_range,
        glucose_change_mg_dl,
        minutes_since_last_reading,
        case
            when minutes_since_last_reading between 2 and 15
                then glucose_change_mg_dl / minutes_since_last_reading
        end as rate_mg_dl_per_minute,
        direction,
        device,
        {{ is_clipped('glucose_mg_dl', 'device') }} as is_clipped

    from compared

)

select * from described
