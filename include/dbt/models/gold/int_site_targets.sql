with

sites as (

    select * from {{ ref('stg_sites') }}

),

target_sets as (

    select target_sets.*

    from (
        values
        ('standard', 70e0, 180e0, 70e0, 4e0, 1e0, 25e0, 5e0, 36e0),
        ('older_or_high_risk', 70e0, 180e0, 50e0, 1e0, null, 50e0, 10e0, 36e0),
        ('pregnancy', 63e0, 140e0, 70e0, 4e0, 1e0, 25e0, null, 36e0)
    ) as target_sets (
        target_set,
        target_low_mg_dl,
        target_high_mg_dl,
        time_in_range_target_pct,
        time_below_range_target_pct,
        time_below_54_target_pct,
        time_above_range_target_pct,
        time_above_250_target_pct,
        cv_target_pct
    )

),

targets as (

    select
        sites.site_id,
        target_sets.*

    from sites

    inner join target_sets on sites.target_set = target_sets.target_set

    where sites.valid_to_at is null

)

select * from targets
