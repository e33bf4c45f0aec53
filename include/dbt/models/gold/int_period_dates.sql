with

metrics as (

    select * from {{ ref('fct_daily_glucose_metrics') }}

),

data_through as (

    select * from {{ ref('int_site_data_through') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

-- the day of data_through is open, the one before it has ended
open_days as (

    select
        data_through.site_id,
        {{ local_date(
            in_zone('data_through.data_through', 'sites.zone'), 'sites.last_date'
        ) }} as open_date

    from data_through

    inner join sites
        on
            data_through.site_id = sites.site_id
            and {{ valid_at('sites', 'data_through.data_through') }}

    where data_through.site_id in (select metrics.site_id from metrics)

),

periods as (

    select
        open_days.site_id,
        lengths.period_days,
        ages.end_count = 1 as is_current,
        cast(
            open_days.open_date
            - ages.end_count * lengths.period_days * interval '1' day as date
        ) as period_start,
        cast(
            open_days.open_date
            - (ages.end_count - 1) * lengths.period_days * interval '1' day
            as date
        ) as next_start

    from open_days

    cross join (
        values (7), (14), (30), (90), (180), (365)
    ) as lengths (period_days)

    cross join (values (1), (2)) as ages (end_count)

),

dated as (

    select
        site_id,
        cast(period_days as bigint) as period_days,
        is_current,
        period_start,
        cast(next_start - interval '1' day as date) as period_end,
        next_start

    from periods

)

select * from dated
