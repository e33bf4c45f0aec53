with

runs as (

    select * from {{ ref('int_glucose_runs') }}

),

ended as (

    select
        *,
        max(last_at) over (partition by site_id, kind, stretch_number)
        + interval '5' minute as stretch_ended_at

    from runs

),

-- a shorter run neither starts nor ends an event; clocks are seconds off
lasting as (

    select
        *,
        coalesce(lag(is_beyond) over stretch_runs, false) as was_beyond,
        coalesce(
            min(case when not is_beyond then first_at end) over (
                stretch_runs rows between 1 following and unbounded following
            ),
            stretch_ended_at
        ) as event_ended_at

    from ended

    where {{ minutes_between('first_at', 'last_at') }} + 5 >= 14.5

    window stretch_runs as (
        partition by site_id, kind, stretch_number order by first_at
    )

),

events as (

    select *

    from lasting

    where is_beyond and not was_beyond

),

measured as (

    select
        events.site_id
        || '/' || events.kind
        || '/' || events.first_entry_id as event_id,
        events.site_id,
        events.kind,
        events.first_at as started_at,
        events.event_ended_at as ended_at,
        events.first_at_local as started_at_local,
        events.first_date as event_date,
        {{ minutes_between('events.first_at', 'events.event_ended_at') }}
            as duration_minutes,
        case
            when events.kind in ('low', 'very_low')
                then min(runs.min_glucose_mg_dl)
            else max(runs.max_glucose_mg_dl)
        end as extreme_glucose_mg_dl,
        cast(sum(runs.reading_count) as bigint) as reading_count,
        extract(hour from events.first_at_local) < 6 as is_nocturnal

    from events

    inner join runs
        on
            events.site_id = runs.site_id
            and events.kind = runs.kind
            and events.stretch_number = runs.stretch_number
            and events.first_at <= runs.first_at
            and events.event_ended_at > runs.first_at

    group by
        events.site_id,
        events.kind,
        events.first_entry_id,
        events.first_at,
        events.event_ended_at,
        events.first_at_local,
        events.first_date

)

select * from measured
