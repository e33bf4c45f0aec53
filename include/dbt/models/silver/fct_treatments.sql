with

treatments as (

    select * from {{ ref('int_unique_treatments') }}

),

classified as (

    select
        *,
        coalesce(lower(event_type) like 'temp basal%', false) as is_temp_basal

    from treatments

),

-- whatever temporary basal comes next ends the one before it
followed as (

    select
        *,
        {{ minutes_between('treated_at', 'lead(treated_at) over next_basal') }}
            as minutes_to_next_basal

    from classified

    window
        next_basal as (
            partition by site_id, is_temp_basal
            order by treated_at, treatment_id
        )

),

cut as (

    select
        *,
        case
            when is_temp_basal
                then
                    least(
                        coalesce(duration_minutes, 0),
                        coalesce(minutes_to_next_basal, duration_minutes, 0)
                    )
        end as basal_minutes,
        case
            when is_temp_basal
                then coalesce(absolute_units_per_hour, rate_units_per_hour)
        end as basal_units_per_hour

    from followed

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
        carbs_grams,
        glucose_mg_dl,
        duration_minutes,
        basal_units_per_hour,
        case when is_temp_basal then basal_change_pct end as basal_change_pct,
        basal_minutes,
        basal_units_per_hour * basal_minutes / 60 as basal_units,
        entered_by,
        duplicate_count

    from cut

)

select * from described
