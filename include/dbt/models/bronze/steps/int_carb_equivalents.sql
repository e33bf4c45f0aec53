with

raw_treatments as (

    select * from {{ source('raw', 'treatments') }}

),

trio_carbs as (

    select
        site_id,
        _id as treatment_id,
        {{ epoch_milliseconds('treated_at') }} as milliseconds,
        {{ json_text('payload', 'id') }} as trio_id,
        {{ json_number('payload', 'fat') }} > 0
        or {{ json_number('payload', 'protein') }} > 0
            as has_fat_or_protein,
        coalesce(
            {{ json_text('payload', 'foodType') }} is null
            and {{ json_number('payload', 'fat') }} = 0
            and {{ json_number('payload', 'protein') }} = 0,
            false
        ) as is_suspected

    from raw_treatments

    where
        deleted_at is null
        and entered_by = 'Trio'
        and event_type = 'Carb Correction'

),

-- carbs that were eaten can look the same, but share neither their id with others
-- nor, to the millisecond, their second of the minute with a meal before
compared as (

    select
        site_id,
        treatment_id,
        is_suspected,
        trio_id is not null
        and min(milliseconds) over same_id < max(milliseconds) over same_id
            as has_siblings,
        coalesce(
            max(case when has_fat_or_protein then 1 end) over same_second = 1,
            false
        ) as has_meal

    from trio_carbs

    window
        same_id as (partition by site_id, is_suspected, trio_id),
        same_second as (
            partition by site_id, mod(milliseconds, 60000)
            order by milliseconds
            range between 50400000 preceding and 1 preceding
        )

)

select
    site_id,
    treatment_id

from compared

where is_suspected and (has_siblings or has_meal)
