with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

periods as (

    select * from {{ ref('int_glucose_periods') }}

),

statistics as (

    select * from {{ ref('int_period_statistics') }}

),

binned as (

    select
        site_id,
        reading_date,
        glucose_mg_dl,
        60 * hour_of_day
        + 15 * floor(extract(minute from reading_timestamp_local) / 15e0)
            as bin_start_minute

    from readings

),

bins as (

    select
        binned.site_id,
        periods.period_days,
        cast(binned.bin_start_minute as bigint) as bin_start_minute,
        count(*) as reading_count,
        {{ percentile('binned.glucose_mg_dl', 5) }} as p05_mg_dl,
        {{ percentile('binned.glucose_mg_dl', 25) }} as p25_mg_dl,
        {{ percentile('binned.glucose_mg_dl', 50) }} as p50_mg_dl,
        {{ percentile('binned.glucose_mg_dl', 75) }} as p75_mg_dl,
        {{ percentile('binned.glucose_mg_dl', 95) }} as p95_mg_dl

    from binned

    inner join periods
        on
            binned.site_id = periods.site_id
            and binned.reading_date >= periods.period_start
            and binned.reading_date <= periods.period_end

    where periods.is_current

    group by
        binned.site_id,
        periods.period_days,
        cast(binned.bin_start_minute as bigint)

),

judged as (

    select
        bins.*,
        bins.reading_count >= 5 and statistics.is_sufficient as is_sufficient

    from bins

    inner join statistics
        on
            bins.site_id = statistics.site_id
            and bins.period_days = statistics.period_days
            and statistics.is_current

)

select * from judged
