with

schedules as (

    select * from {{ ref('int_basal_schedules') }}

),

-- of two that start together the switch counts, which sorts after the profile
starts as (

    select
        site_id,
        valid_from_at as changed_at,
        max(case when duration_minutes is null then schedule_id end)
            as lasting_schedule_id,
        max(case when duration_minutes is not null then schedule_id end)
            as passing_schedule_id,
        max_by(duration_minutes, schedule_id) filter (
            where duration_minutes is not null
        ) as duration_minutes

    from schedules

    group by site_id, valid_from_at

),

followed as (

    select
        *,
        case
            when duration_minutes is not null
                then {{ minutes_after('changed_at', 'duration_minutes') }}
        end as ends_at,
        lead(changed_at) over (partition by site_id order by changed_at)
            as next_at

    from starts

),

changes as (

    select
        site_id,
        changed_at,
        lasting_schedule_id,
        passing_schedule_id

    from followed

    union all

    select
        site_id,
        ends_at as changed_at,
        cast(null as varchar) as lasting_schedule_id,
        cast(null as varchar) as passing_schedule_id

    from followed

    where ends_at < next_at or (ends_at is not null and next_at is null)

),

-- what a switch for some time leaves is the schedule that lasted before it
resolved as (

    select
        site_id,
        changed_at,
        coalesce(
            passing_schedule_id,
            {{ last_known(
                'lasting_schedule_id', 'changed_at', 'site_changes'
            ) }},
            'unknown'
        ) as schedule_id

    from changes

    window site_changes as (partition by site_id order by changed_at)

)

select * from resolved
