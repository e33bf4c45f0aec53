with

treatments as (

    select * from {{ ref('fct_treatments') }}

),

quarter_hours as (

    select * from {{ ref('int_local_quarter_hours') }}

),

days as (

    select * from {{ ref('int_treatment_days') }}

),

schedule_changes as (

    select * from {{ ref('int_schedule_changes') }}

),

-- whatever changes what the pump gives, or on which day it counts
changes as (

    select
        quarter_hours.site_id,
        quarter_hours.starts_at as changed_at,
        days.treatment_date,
        60 * quarter_hours.hour_of_day + quarter_hours.minute_of_hour
            as minute_of_day,
        null as treatment_id,
        null as schedule_id

    from quarter_hours

    inner join days
        on
            quarter_hours.site_id = days.site_id
            and quarter_hours.reading_date = days.treatment_date

    union all

    select
        site_id,
        treated_at as changed_at,
        null as treatment_date,
        null as minute_of_day,
        treatment_id,
        null as schedule_id

    from treatments

    where basal_minutes > 0

    union all

    select
        site_id,
        {{ minutes_after('treated_at', 'basal_minutes') }} as changed_at,
        null as treatment_date,
        null as minute_of_day,
        null as treatment_id,
        null as schedule_id

    from treatments

    where basal_minutes > 0

    union all

    select
        site_id,
        changed_at,
        null as treatment_date,
        null as minute_of_day,
        null as treatment_id,
        schedule_id

    from schedule_changes

)

select
    site_id,
    changed_at,
    max(treatment_date) as treatment_date,
    max(minute_of_day) as minute_of_day,
    max(treatment_id) as started_treatment_id,
    max(schedule_id) as started_schedule_id

from changes

group by site_id, changed_at
