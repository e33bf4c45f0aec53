with

raw_sites as (

    select * from {{ source('raw', 'sites') }}

),

counted as (

    select
        *,
        count(case when not is_demo then site_id end) over () as real_site_count

    from raw_sites

),

-- simulated glucose must never be read beside a person's
sites as (

    select *

    from counted

    where not is_demo or real_site_count = 0

),

-- the next row, not the stored end, so that days tile whatever was configured
validities as (

    select
        site_id,
        zone,
        target_set,
        -- empty in rows of sites that were configured before there was a choice
        coalesce(display_units, 'mg/dL') as display_units,
        is_demo,
        valid_from,
        coalesce(
            cast(
                lead(valid_from) over site_zones - interval '1' day as date
            ),
            date '9999-12-31'
        ) as last_date,
        valid_from_at,
        lead(valid_from_at) over site_zones as valid_to_at

    from sites

    window site_zones as (partition by site_id order by valid_from)

)

select * from validities
