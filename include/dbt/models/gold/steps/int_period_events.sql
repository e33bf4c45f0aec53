with

events as (

    select * from {{ ref('fct_glucose_events') }}

),

periods as (

    select * from {{ ref('int_period_dates') }}

),

counted as (

    select
        periods.site_id,
        periods.period_days,
        periods.is_current,
        count(*) filter (where events.kind = 'low') as low_event_count,
        count(*) filter (where events.kind = 'very_low') as very_low_event_count,
        count(*) filter (where events.kind = 'high') as high_event_count,
        count(*) filter (where events.kind = 'very_high')
            as very_high_event_count

    from periods

    left join events
        on
            periods.site_id = events.site_id
            and periods.period_start <= events.event_date
            and periods.period_end >= events.event_date

    group by periods.site_id, periods.period_days, periods.is_current

)

select * from counted
