with

raw_treatments as (

    select * from {{ source('raw', 'treatments') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

treatments as (

    select
        site_id,
        _id as treatment_id,
        event_type,
        treated_at,
        created_at as timestamp_iso,
        insulin as insulin_units,
        {{ json_text('payload', 'insulinType') }} as insulin_type,
        carbs as carbs_grams,
        {{ to_mg_dl('glucose', 'units') }} as glucose_mg_dl,
        duration_minutes,
        absolute as absolute_units_per_hour,
        rate as rate_units_per_hour,
        percent as basal_change_pct,
        entered_by,
        ingested_at

    from raw_treatments

    where
        deleted_at is null
        and site_id in (select sites.site_id from sites)

)

select * from treatments
