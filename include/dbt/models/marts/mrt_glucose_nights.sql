{% set minutes = minutes_between('nights.day_start_at', 'reading_timestamp') %}

with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

nights as (

    select * from {{ ref('int_local_nights') }}

),

measured as (

    select
        readings.site_id,
        readings.reading_date,
        count(*) as reading_count,
        count(*) filter (where readings.slot_start < nights.data_through)
            as covered_count,
        {{ exact_avg('readings.glucose_mg_dl') }} as avg_glucose_mg_dl,
        min(readings.glucose_mg_dl) as min_glucose_mg_dl,
        {{ exact_stddev('readings.glucose_mg_dl') }} as stddev_glucose_mg_dl,
        {{ percent_of_rows('readings.is_in_range = 1') }} as time_in_range_pct,
        {{ percent_of_rows('readings.glucose_mg_dl < 70') }}
            as time_below_range_pct,
        60 * {{ least_squares_slope('readings.glucose_mg_dl', minutes) }}
            as slope_mg_dl_per_hour,
        min({{ minutes }}) as first_minute

    from readings

    inner join nights
        on
            readings.site_id = nights.site_id
            and readings.reading_date = nights.night_date

    where readings.hour_of_day < 6 and {{ minutes }} < 720

    group by readings.site_id, readings.reading_date

),

mornings as (

    select
        site_id,
        reading_date,
        min_by(glucose_mg_dl, reading_timestamp) as glucose_mg_dl

    from readings

    where
        hour_of_day = 6
        and extract(minute from reading_timestamp_local) < 15

    group by site_id, reading_date

),

described as (

    select
        nights.site_id,
        nights.night_date,
        coalesce(measured.reading_count, 0) as reading_count,
        {{ percent_of(
            'coalesce(measured.covered_count, 0)', 'nights.expected_count'
        ) }} as coverage_pct,
        measured.avg_glucose_mg_dl,
        measured.min_glucose_mg_dl,
        measured.stddev_glucose_mg_dl,
        measured.time_in_range_pct,
        measured.time_below_range_pct,
        measured.slope_mg_dl_per_hour,
        case
            when measured.first_minute < 15
                then mornings.glucose_mg_dl - measured.min_glucose_mg_dl
        end as dawn_rise_mg_dl

    from nights

    left join measured
        on
            nights.site_id = measured.site_id
            and nights.night_date = measured.reading_date

    left join mornings
        on
            nights.site_id = mornings.site_id
            and nights.night_date = mornings.reading_date

)

select * from described
