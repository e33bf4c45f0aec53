with

treatments as (

    select * from {{ ref('fct_treatments') }}

),

-- Nightscout has no field for a drug: uploaders name one as the event type
medications as (

    select
        treatment_id as medication_id,
        site_id,
        treated_at as administered_at,
        treated_at_local as administered_at_local,
        treatment_date as administered_date,
        extract(hour from treated_at_local) as medication_hour,
        event_type,
        case
            when bolus_units > 0 then coalesce(insulin_type, 'Insulin')
            else event_type
        end as medication_name,
        bolus_units as dose_units

    from treatments

    where
        bolus_units > 0
        or lower(event_type) in ('medication', 'glucagon')

)

select * from medications
