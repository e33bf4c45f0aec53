with

raw_treatments as (

    select * from {{ source('raw', 'treatments') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

-- Trio writes the fat and protein of a meal as carbs over the hours after it
trio_carbs as (

    select
        site_id,
        _id,
        {{ epoch_milliseconds('treated_at') }} as milliseconds,
        {{ json_text('payload', 'id') }} as trio_id,
        {{ json_number('payload', 'fat') }} > 0
        or {{ json_number('payload', 'protein') }} > 0
            as has_fat_or_protein,
        {{ json_text('payload', 'foodType') }} is null
        and {{ json_number('payload', 'fat') }} = 0
        and {{ json_number('payload', 'protein') }} = 0
            as is_like_an_equivalent

    from raw_treatments

    where
        deleted_at is null
        and entered_by = 'Trio'
        and event_type = 'Carb Correction'

),

-- carbs that were eaten can look the same, but share neither their id with others
-- nor, to the millisecond, their second of the minute with a meal before
carb_equivalents as (

    select
        site_id,
        _id,
        is_like_an_equivalent
        and (
            trio_id is not null
            and min(milliseconds) over same_id < max(milliseconds) over same_id
            or max(case when has_fat_or_protein then 1 end) over same_second = 1
        ) as is_carb_equivalent

    from trio_carbs

    window
        same_id as (partition by site_id, is_like_an_equivalent, trio_id),
        same_second as (
            partition by site_id, mod(milliseconds, 60000)
            order by milliseconds
            range between 50400000 preceding and 1 preceding
        )

),

classified as (

    select
        raw_treatments.*,
        coalesce(carb_equivalents.is_carb_equivalent, false)
            as is_carb_equivalent,
        {{ json_text('raw_treatments.payload', 'type') }} as bolus_type

    from raw_treatments

    left join carb_equivalents
        on
            raw_treatments.site_id = carb_equivalents.site_id
            and raw_treatments._id = carb_equivalents._id

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
