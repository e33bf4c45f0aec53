with

sites as (

    select * from {{ ref('stg_sites') }}

),

validities as (

    select
        site_id,
        zone,
        target_set,
        display_units,
        is_demo,
        valid_to_at is null as is_current,
        valid_from,
        case when valid_to_at is not null then last_date end as valid_to,
        valid_from_at,
        valid_to_at

    from sites

)

select * from validities
