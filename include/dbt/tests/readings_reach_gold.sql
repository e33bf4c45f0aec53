-- every reading is counted once in each table of days
with

counted as (

    select
        'fct_glucose_readings' as model_name,
        count(*) as reading_count

    from {{ ref('fct_glucose_readings') }}

    union all

    select
        'fct_daily_glucose_metrics' as model_name,
        sum(reading_count) as reading_count

    from {{ ref('fct_daily_glucose_metrics') }}

    union all

    select
        'mrt_glucose_readings' as model_name,
        sum(reading_count) as reading_count

    from {{ ref('mrt_glucose_readings') }}

    union all

    select
        'mrt_glucose_overview' as model_name,
        sum(reading_count) as reading_count

    from {{ ref('mrt_glucose_overview') }}

    union all

    select
        'mrt_data_quality' as model_name,
        sum(kept_count) as reading_count

    from {{ ref('mrt_data_quality') }}

)

select
    min(coalesce(reading_count, 0)) as least_count,
    max(coalesce(reading_count, 0)) as greatest_count

from counted

having min(coalesce(reading_count, 0)) <> max(coalesce(reading_count, 0))
