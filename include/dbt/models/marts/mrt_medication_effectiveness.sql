with

medications as (

    select * from {{ ref('fct_medications') }}

),

intakes as (

    select * from {{ ref('int_intakes') }}

),

responses as (

    select * from {{ ref('int_intake_responses') }}

),

measured as (

    select
        medications.site_id,
        medications.medication_id,
        medications.medication_name,
        medications.dose_units,
        medications.administered_at,
        medications.administered_at_local,
        medications.medication_hour,
        responses.hour_before_mg_dl as glucose_before_mg_dl,
        responses.three_hours_after_mg_dl as glucose_after_mg_dl,
        responses.hour_before_mg_dl - responses.three_hours_after_mg_dl
            as glucose_reduction_mg_dl,
        responses.nadir_mg_dl,
        responses.minutes_to_nadir,
        intakes.neighbour_count = 0 and intakes.carbs_grams is null as is_clean,
        coalesce(responses.after_reading_count, 0) as after_reading_count

    from medications

    inner join intakes
        on
            medications.site_id = intakes.site_id
            and medications.medication_id = intakes.treatment_id

    left join responses
        on
            medications.site_id = responses.site_id
            and medications.medication_id = responses.treatment_id

)

select * from measured
