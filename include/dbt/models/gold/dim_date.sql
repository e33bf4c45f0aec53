with

local_days as (

    select * from {{ ref('int_local_days') }}

),

treatments as (

    select * from {{ ref('fct_treatments') }}

),

dated as (

    select reading_date as date_day from local_days

    union all

    select treatment_date as date_day from treatments

),

-- whole years, so that a calendar of a report has no holes
bounds as (

    select
        cast(date_trunc('year', min(date_day)) as date) as first_day,
        cast(
            date_trunc('year', max(date_day)) + interval '1' year as date
        ) as next_first_day

    from dated

),

weeks as (

    select
        cast(weeks.week_start as date) as week_start,
        bounds.next_first_day

    from bounds

    cross join
        {{ weeks('bounds.first_day', 'bounds.next_first_day') }}
            as weeks (week_start)

),

days as (

    select
        cast(
            weeks.week_start + week_days.day_number * interval '1' day as date
        ) as date_day,
        weeks.next_first_day

    from weeks

    cross join {{ numbers(0, 6) }} as week_days (day_number)

),

described as (

    select
        date_day,
        extract(year from date_day) as year_number,
        extract(quarter from date_day) as quarter_number,
        extract(month from date_day) as month_number,
        {{ month_name('date_day') }} as month_name,
        extract(week from date_day) as iso_week_number,
        extract(day from date_day) as day_of_month,
        {{ day_of_week('date_day') }} as day_of_week,
        {{ day_name('date_day') }} as day_name,
        {{ day_of_week('date_day') }} >= 6 as is_weekend

    from days

    where date_day < next_first_day

)

select * from described
