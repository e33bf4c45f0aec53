{# Ten years: what lasts longer is no number of minutes. #}
{% set most_minutes = 10 * 366 * 1440 %}

with

profiles as (

    select * from {{ ref('stg_profiles') }}

),

switches as (

    select * from {{ ref('stg_profile_switches') }}

),

schedules as (

    select
        site_id,
        concat('profile/', profile_id) as schedule_id,
        valid_from_at,
        cast(null as double) as duration_minutes,
        segment_start_seconds / 6e1 as start_minute,
        basal_units_per_hour

    from profiles

    union all

    select
        site_id,
        concat('switch/', treatment_id) as schedule_id,
        switched_at as valid_from_at,
        case
            when duration_minutes > 0
                then least(duration_minutes, {{ most_minutes }})
        end as duration_minutes,
        segment_start_seconds / 6e1 as start_minute,
        basal_units_per_hour

    from switches

),

segments as (

    select
        *,
        coalesce(
            lead(start_minute) over (
                partition by site_id, schedule_id order by start_minute
            ),
            1440
        ) as end_minute

    from schedules

),

-- by the quarter hour, so that pieces of time find their rate by equality
quarters as (

    select
        segments.site_id,
        segments.schedule_id,
        segments.valid_from_at,
        segments.duration_minutes,
        cast(quarters.quarter_number as bigint) as quarter_number,
        greatest(segments.start_minute, 15 * quarters.quarter_number)
            as start_minute,
        least(segments.end_minute, 15 * (quarters.quarter_number + 1))
            as end_minute,
        {{ below_a_million('segments.basal_units_per_hour') }}
            as basal_units_per_hour

    from segments

    cross join {{ numbers(0, 95) }} as quarters (quarter_number)

    where
        segments.start_minute < 15 * (quarters.quarter_number + 1)
        and segments.end_minute > 15 * quarters.quarter_number

)

select * from quarters
