with

pieces as (

    select
        *,
        {{ minutes_between('starts_at', 'ends_at') }} as minutes,
        start_minute + {{ minutes_between('starts_at', 'ends_at') }}
            as end_minute,
        cast(floor(start_minute / 15) as bigint) as quarter_number,
        case
            when basal_change_pct <= -100 then coalesce(basal_units_per_hour, 0)
            else basal_units_per_hour
        end as known_units_per_hour

    from {{ ref('int_basal_pieces') }}

),

schedules as (

    select * from {{ ref('int_basal_schedules') }}

),

-- a percentage is one of the schedule; without one, too, the rate is not known
rated as (

    select
        pieces.site_id,
        pieces.treatment_date,
        pieces.treatment_id,
        case
            when schedules.schedule_id is null then pieces.minutes
            else
                least(schedules.end_minute, pieces.end_minute)
                - greatest(schedules.start_minute, pieces.start_minute)
        end as minutes,
        coalesce(
            pieces.known_units_per_hour,
            schedules.basal_units_per_hour
            * greatest(1 + coalesce(pieces.basal_change_pct, 0) / 1e2, 0)
        ) as units_per_hour

    from pieces

    left join schedules
        on
            pieces.site_id = schedules.site_id
            and pieces.schedule_id = schedules.schedule_id
            and pieces.quarter_number = schedules.quarter_number
            and pieces.start_minute < schedules.end_minute
            and pieces.end_minute > schedules.start_minute
            and pieces.known_units_per_hour is null
            and (
                pieces.treatment_id is null
                or pieces.basal_change_pct is not null
            )

),

given as (

    select
        site_id,
        treatment_date,
        coalesce({{ exact_sum(
            'case when treatment_id is not null'
            ~ ' then units_per_hour * minutes / 60 end'
        ) }}, 0) as basal_temp_units,
        coalesce({{ exact_sum(
            'case when treatment_id is null'
            ~ ' then units_per_hour * minutes / 60 end'
        ) }}, 0) as basal_scheduled_units,
        count(*) filter (where units_per_hour is null) = 0 as is_basal_complete

    from rated

    group by site_id, treatment_date

)

select * from given
