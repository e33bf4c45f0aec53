with

changes as (

    select * from {{ ref('int_basal_changes') }}

),

treatments as (

    select * from {{ ref('fct_treatments') }}

),

spans as (

    select * from {{ ref('int_site_spans') }}

),

basals as (

    select
        site_id,
        treatment_id,
        {{ minutes_after('treated_at', 'basal_minutes') }} as basal_ends_at,
        basal_units_per_hour,
        basal_change_pct

    from treatments

    where basal_minutes > 0

),

followed as (

    select
        site_id,
        changed_at as starts_at,
        lead(changed_at) over site_changes as next_at,
        {{ last_known('treatment_date', 'changed_at', 'site_changes') }}
            as treatment_date,
        {{ last_known('minute_of_day', 'changed_at', 'site_changes') }}
            as minute_of_day,
        {{ last_known('started_treatment_id', 'changed_at', 'site_changes') }}
            as treatment_id,
        {{ last_known('started_schedule_id', 'changed_at', 'site_changes') }}
            as schedule_id

    from changes

    window site_changes as (partition by site_id order by changed_at)

),

-- what has not happened by data_through is not counted yet
pieces as (

    select
        followed.*,
        spans.data_through,
        followed.minute_of_day
        + mod({{ epoch_milliseconds('followed.starts_at') }}, 900000) / 6e4
            as start_minute

    from followed

    inner join spans
        on
            followed.site_id = spans.site_id
            and followed.starts_at < spans.data_through

    where followed.treatment_date is not null

)

select
    pieces.site_id,
    pieces.starts_at,
    least(coalesce(pieces.next_at, pieces.data_through), pieces.data_through)
        as ends_at,
    pieces.treatment_date,
    pieces.start_minute,
    basals.treatment_id,
    basals.basal_units_per_hour,
    basals.basal_change_pct,
    pieces.schedule_id

from pieces

left join basals
    on
        pieces.site_id = basals.site_id
        and pieces.treatment_id = basals.treatment_id
        and pieces.starts_at < basals.basal_ends_at
