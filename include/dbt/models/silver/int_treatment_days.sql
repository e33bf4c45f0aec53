with

quarter_hours as (

    select * from {{ ref('int_local_quarter_hours') }}

),

spans as (

    select * from {{ ref('int_site_spans') }}

),

days as (

    select
        site_id,
        reading_date as treatment_date,
        min(starts_at) as day_start_at,
        lead(min(starts_at)) over (
            partition by site_id order by reading_date
        ) as day_end_at

    from quarter_hours

    group by site_id, reading_date

),

active as (

    select
        days.site_id,
        days.treatment_date,
        days.day_start_at,
        days.day_end_at,
        spans.data_through

    from days

    inner join spans on days.site_id = spans.site_id

    where
        days.treatment_date >= spans.first_active_date
        and (
            days.day_start_at < spans.data_through
            or days.treatment_date <= spans.last_active_date
        )

)

select * from active
