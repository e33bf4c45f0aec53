with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

treatments as (

    select * from {{ ref('fct_treatments') }}

),

data_through as (

    select * from {{ ref('int_site_data_through') }}

),

dated as (

    select
        site_id,
        reading_date,
        reading_date as active_date

    from readings

    union all

    select
        site_id,
        cast(null as date) as reading_date,
        treatment_date as active_date

    from treatments

),

active as (

    select
        site_id,
        cast(min(reading_date) - interval '13' day as date) as first_date,
        max(reading_date) as last_reading_date,
        min(active_date) as first_active_date,
        max(active_date) as last_active_date

    from dated

    group by site_id

),

spans as (

    select
        active.site_id,
        data_through.data_through,
        active.first_date,
        active.last_reading_date,
        active.first_active_date,
        active.last_active_date,
        least(
            coalesce(active.first_date, active.first_active_date),
            active.first_active_date
        ) as first_known_date,
        greatest(
            active.last_active_date,
            cast({{ in_zone('data_through.data_through', "'UTC'") }} as date)
        ) as last_known_date

    from active

    inner join data_through on active.site_id = data_through.site_id

)

select * from spans
