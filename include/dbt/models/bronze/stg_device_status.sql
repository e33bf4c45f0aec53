with

raw_device_status as (

    select * from {{ source('raw', 'device_status') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

device_status as (

    select
        site_id,
        _id as device_status_id,
        reported_at,
        device,
        loop_state,
        failure_reason,
        iob_units,
        cob_grams,
        case when pump_battery_pct between 0 and 100 then pump_battery_pct end
            as pump_battery_pct,
        case when uploader_battery_pct between 0 and 100 then uploader_battery_pct end
            as uploader_battery_pct,
        case when reservoir_units between 0 and 1000 then reservoir_units end
            as reservoir_units,
        ingested_at

    from raw_device_status

    where
        deleted_at is null
        and site_id in (select sites.site_id from sites)

)

select * from device_status
