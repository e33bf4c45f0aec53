with

events as (

    select * from {{ ref('fct_glucose_events') }}

),

published as (

    select
        event_id,
        site_id,
        kind,
        started_at,
        ended_at,
        started_at_local,
        event_date,
        duration_minutes,
        extreme_glucose_mg_dl,
        reading_count,
        is_nocturnal

    from events

)

select * from published
