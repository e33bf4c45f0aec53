with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

hours as (

    select
        site_id,
        reading_date,
        hour_of_day,
        count(*) as reading_count,
        {{ exact_avg('glucose_mg_dl') }} as avg_glucose_mg_dl,
        min(glucose_mg_dl) as min_glucose_mg_dl,
        max(glucose_mg_dl) as max_glucose_mg_dl,
        {{ percent_of_rows('is_in_range = 1') }} as time_in_range_pct,
        count(*) filter (where glucose_category = 'hypoglycemia')
            as hypoglycemia_count,
        count(*) filter (where glucose_category = 'in_range')
            as in_range_count,
        count(*) filter (where glucose_category = 'hyperglycemia_mild')
            as hyperglycemia_mild_count,
        count(*) filter (where glucose_category = 'hyperglycemia_severe')
            as hyperglycemia_severe_count

    from readings

    group by site_id, reading_date, hour_of_day

)

select * from hours
