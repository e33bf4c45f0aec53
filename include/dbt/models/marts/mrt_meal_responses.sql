with

intakes as (

    select * from {{ ref('int_intakes') }}

),

bolus_meals as (

    select * from {{ ref('int_bolus_meals') }}

),

responses as (

    select * from {{ ref('int_intake_responses') }}

),

boluses as (

    select
        site_id,
        meal_id,
        {{ exact_sum('bolus_units') }} as bolus_units,
        count(bolus_id) as neighbour_count

    from bolus_meals

    group by site_id, meal_id

),

measured as (

    select
        intakes.site_id,
        intakes.treatment_id as meal_id,
        intakes.treated_at as eaten_at,
        intakes.treated_at_local as eaten_at_local,
        intakes.carbs_grams,
        nullif(
            coalesce(intakes.bolus_units, 0) + coalesce(boluses.bolus_units, 0),
            0
        ) as insulin_units,
        responses.quarter_before_mg_dl as glucose_before_mg_dl,
        responses.glucose_60m_mg_dl,
        responses.glucose_120m_mg_dl,
        responses.glucose_180m_mg_dl,
        responses.peak_mg_dl,
        responses.peak_mg_dl - responses.quarter_before_mg_dl as rise_mg_dl,
        responses.minutes_to_peak,
        intakes.neighbour_count = coalesce(boluses.neighbour_count, 0)
            as is_clean,
        coalesce(responses.after_reading_count, 0) as after_reading_count

    from intakes

    left join boluses
        on
            intakes.site_id = boluses.site_id
            and intakes.treatment_id = boluses.meal_id

    left join responses
        on
            intakes.site_id = responses.site_id
            and intakes.treatment_id = responses.treatment_id

    where intakes.carbs_grams is not null

)

select * from measured
