with

treatments as (

    select * from {{ ref('fct_treatments') }}

),

medications as (

    select * from {{ ref('fct_medications') }}

),

intakes as (

    select
        treatments.site_id,
        treatments.treatment_id,
        treatments.treated_at,
        treatments.treated_at_local,
        treatments.event_type,
        treatments.bolus_units,
        treatments.bolus_kind,
        case when treatments.carbs_grams > 0 then treatments.carbs_grams end
            as carbs_grams,
        treatments.pre_bolus_minutes,
        {{ epoch_milliseconds('treatments.treated_at') }} as milliseconds

    from treatments

    left join medications
        on
            treatments.site_id = medications.site_id
            and treatments.treatment_id = medications.medication_id

    where
        treatments.carbs_grams > 0
        or medications.medication_id is not null

),

counted as (

    select
        site_id,
        treatment_id,
        treated_at,
        treated_at_local,
        event_type,
        bolus_units,
        bolus_kind,
        carbs_grams,
        pre_bolus_minutes,
        count(*) over (
            partition by site_id
            order by milliseconds
            range between 10800000 preceding and 10800000 following
        ) - 1 as neighbour_count

    from intakes

)

select * from counted
