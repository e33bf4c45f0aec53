with

raw_treatments as (

    select * from {{ source('raw', 'treatments') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

carb_equivalents as (

    select * from {{ ref('int_carb_equivalents') }}

),

classified as (

    select
        raw_treatments.*,
        carb_equivalents.treatment_id is not null as is_carb_equivalent,
        {{ json_text('raw_treatments.payload', 'type') }} as bolus_type

    from raw_treatments

    left join carb_equivalents
        on
            raw_treatments.site_id = carb_equivalents.site_id
            and raw_treatments._id = carb_equivalents.treatment_id

    where
        raw_treatments.deleted_at is null
        and raw_treatments.site_id in (select sites.site_id from sites)

),

treatments as (

    select
        site_id,
        _id as treatment_id,
        event_type,
        treated_at,
        created_at as timestamp_iso,
        case when bolus_type = 'PRIMING' then null else insulin end
            as insulin_units,
        {{ json_text('payload', 'insulinType') }} as insulin_type,
        case when is_carb_equivalent then null else carbs end as carbs_grams,
        case when is_carb_equivalent then carbs end as carb_equivalent_grams,
        {{ to_mg_dl('glucose', 'units') }} as glucose_mg_dl,
        duration_minutes,
        absolute as absolute_units_per_hour,
        rate as rate_units_per_hour,
        {{ below_a_million('percent') }} as basal_change_pct,
        case
            when lower(event_type) = 'combo bolus'
                then
                    greatest(
                        coalesce(
                            {{ json_number('payload', 'enteredinsulin') }}
                            - coalesce(insulin, 0),
                            {{ json_number('payload', 'relative') }}
                            * duration_minutes / 60,
                            0
                        ),
                        0
                    )
        end as extended_units,
        {{ json_number('payload', 'preBolus') }} as pre_bolus_minutes,
        coalesce(
            lower(event_type) = 'smb'
            or bolus_type = 'SMB'
            or {{ json_text('payload', 'isSMB') }} = 'true'
            or {{ json_text('payload', 'automatic') }} = 'true',
            false
        ) as is_automatic,
        entered_by,
        ingested_at

    from classified

)

select * from treatments
