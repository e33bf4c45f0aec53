with

treatments as (

    select * from {{ ref('stg_treatments') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

-- treated_at tells apart treatments that came without created_at
ranked as (

    select
        *,
        row_number() over (
            equal_treatments order by treatment_id
        ) as treatment_rank,
        count(*) over equal_treatments - 1 as duplicate_count

    from treatments

    window equal_treatments as (
        partition by
            site_id,
            timestamp_iso,
            treated_at,
            event_type,
            insulin_units,
            carbs_grams,
            carb_equivalent_grams,
            absolute_units_per_hour,
            rate_units_per_hour,
            basal_change_pct,
            duration_minutes
    )

),

localized as (

    select
        ranked.*,
        {{ in_zone('ranked.treated_at', 'sites.zone') }} as treated_at_local,
        sites.last_date

    from ranked

    inner join sites
        on
            ranked.site_id = sites.site_id
            and {{ valid_at('sites', 'ranked.treated_at') }}

    where ranked.treatment_rank = 1

),

dated as (

    select
        treatment_id,
        site_id,
        treated_at,
        treated_at_local,
        {{ local_date('treated_at_local', 'last_date') }} as treatment_date,
        event_type,
        insulin_units,
        insulin_type,
        carbs_grams,
        carb_equivalent_grams,
        glucose_mg_dl,
        duration_minutes,
        absolute_units_per_hour,
        rate_units_per_hour,
        basal_change_pct,
        extended_units,
        pre_bolus_minutes,
        is_automatic,
        entered_by,
        duplicate_count

    from localized

)

select * from dated
