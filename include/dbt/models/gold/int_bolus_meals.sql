with

intakes as (

    select * from {{ ref('int_intakes') }}

),

meals as (

    select
        *,
        {{ hour_number('treated_at') }} as hour_number

    from intakes

    where carbs_grams is not null

),

boluses as (

    select
        intakes.*,
        {{ hour_number('intakes.treated_at') }} + nearby.hour_offset
            as hour_number

    from intakes

    cross join {{ numbers(-1, 1) }} as nearby (hour_offset)

    where
        intakes.bolus_kind in ('manual', 'correction')
        and intakes.carbs_grams is null

),

paired as (

    select
        boluses.site_id,
        boluses.treatment_id as bolus_id,
        meals.treatment_id as meal_id,
        boluses.bolus_units,
        {{ minutes_between('boluses.treated_at', 'meals.treated_at') }}
            as minutes_to_meal,
        case
            when boluses.event_type = meals.event_type
                then nullif(boluses.pre_bolus_minutes, 0)
        end as pre_bolus_minutes

    from boluses

    inner join meals
        on
            boluses.site_id = meals.site_id
            and boluses.hour_number = meals.hour_number

),

matched as (

    select
        *,
        coalesce(abs(minutes_to_meal - pre_bolus_minutes) < 1, false)
            as is_pre_bolus

    from paired

),

ranked as (

    select
        *,
        row_number() over (
            partition by site_id, bolus_id
            order by
                case when is_pre_bolus then 0 else 1 end asc,
                abs(minutes_to_meal) asc,
                meal_id asc
        ) as meal_rank

    from matched

    where is_pre_bolus or abs(minutes_to_meal) <= 15

)

select
    site_id,
    bolus_id,
    meal_id,
    bolus_units,
    minutes_to_meal

from ranked

where meal_rank = 1
