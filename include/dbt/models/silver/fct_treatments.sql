with

treatments as (

    select * from {{ ref('int_unique_treatments') }}

),

-- a pump that stands still is a basal of zero, and whatever comes next ends it
classified as (

    select
        *,
        coalesce(lower(event_type) = 'suspend pump', false) as is_suspension,
        coalesce(
            lower(event_type) like 'temp basal%'
            or lower(event_type) in ('suspend pump', 'resume pump'),
            false
        ) as is_basal,
        greatest(coalesce(insulin_units, 0), 0)
        + coalesce(extended_units, 0) as given_units,
        coalesce(absolute_units_per_hour, rate_units_per_hour)
            as temp_units_per_hour

    from treatments

),

-- no basal is followed for more than 1,440 minutes
followed as (

    select
        *,
        case
            when is_suspension then 1440
            else least(greatest(coalesce(duration_minutes, 0), 0), 1440)
        end as meant_minutes,
        {{ minutes_between('treated_at', 'lead(treated_at) over next_basal') }}
            as minutes_to_next_basal,
        case
            when is_suspension then 0
            when is_basal and temp_units_per_hour >= 0
                then {{ below_a_million('temp_units_per_hour') }}
        end as basal_units_per_hour,
        case
            when given_units > 0 then {{ below_a_million('given_units') }}
        end as bolus_units

    from classified

    window
        next_basal as (
            partition by site_id, is_basal
            order by treated_at, treatment_id
        )

),

described as (

    select
        treatment_id,
        site_id,
        treated_at,
        treated_at_local,
        treatment_date,
        event_type,
        insulin_units,
        insulin_type,
        extended_units,
        bolus_units,
        case
            when bolus_units is null then null
            when is_automatic then 'automatic'
            when lower(event_type) = 'correction bolus' then 'correction'
            else 'manual'
        end as bolus_kind,
        {{ below_a_million('carbs_grams') }} as carbs_grams,
        {{ below_a_million('carb_equivalent_grams') }} as carb_equivalent_grams,
        pre_bolus_minutes,
        glucose_mg_dl,
        duration_minutes,
        basal_units_per_hour,
        case when is_basal then basal_change_pct end as basal_change_pct,
        case
            when is_basal
                then least(meant_minutes, coalesce(minutes_to_next_basal, 1440))
        end as basal_minutes,
        entered_by,
        duplicate_count

    from followed

)

select
    *,
    basal_units_per_hour * basal_minutes / 60 as basal_units

from described
