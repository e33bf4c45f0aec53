with

days as (

    select * from {{ ref('int_treatment_days') }}

),

treatments as (

    select * from {{ ref('fct_treatments') }}

),

daily_basal as (

    select * from {{ ref('int_daily_basal') }}

),

given as (

    select
        site_id,
        treatment_date,
        {{ exact_sum('bolus_units') }} as bolus_units,
        {% for kind in ['manual', 'correction', 'automatic'] -%}
            {{ exact_sum(
                "case when bolus_kind = '" ~ kind ~ "' then bolus_units end"
            ) }} as bolus_{{ kind }}_units,
        {% endfor -%}
        count(bolus_units) as bolus_count,
        {{ exact_sum('case when carbs_grams > 0 then carbs_grams end') }}
            as carbs_grams,
        count(case when carbs_grams > 0 then treatment_id end) as meal_count,
        {{ exact_sum(
            'case when carb_equivalent_grams > 0 then carb_equivalent_grams end'
        ) }} as carb_equivalent_grams

    from treatments

    group by site_id, treatment_date

),

daily as (

    select
        days.site_id,
        days.treatment_date,
        {{ day_name('days.treatment_date') }} as day_name,
        coalesce(given.bolus_units, 0) as bolus_units,
        coalesce(daily_basal.basal_temp_units, 0)
        + coalesce(daily_basal.basal_scheduled_units, 0) as basal_units,
        coalesce(given.bolus_units, 0)
        + coalesce(daily_basal.basal_temp_units, 0)
        + coalesce(daily_basal.basal_scheduled_units, 0)
            as total_insulin_units,
        coalesce(given.carbs_grams, 0) as carbs_grams,
        coalesce(given.bolus_count, 0) as bolus_count,
        coalesce(given.meal_count, 0) as meal_count,
        coalesce(given.bolus_manual_units, 0) as bolus_manual_units,
        coalesce(given.bolus_correction_units, 0) as bolus_correction_units,
        coalesce(given.bolus_automatic_units, 0) as bolus_automatic_units,
        coalesce(daily_basal.basal_temp_units, 0) as basal_temp_units,
        coalesce(daily_basal.basal_scheduled_units, 0)
            as basal_scheduled_units,
        coalesce(daily_basal.is_basal_complete, false) as is_basal_complete,
        coalesce(given.carb_equivalent_grams, 0) as carb_equivalent_grams

    from days

    left join given
        on
            days.site_id = given.site_id
            and days.treatment_date = given.treatment_date

    left join daily_basal
        on
            days.site_id = daily_basal.site_id
            and days.treatment_date = daily_basal.treatment_date

)

select * from daily
