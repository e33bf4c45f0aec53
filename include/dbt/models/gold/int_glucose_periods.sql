with

periods as (

    select * from {{ ref('int_period_dates') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

edges as (

    select
        site_id,
        period_start as edge_date

    from periods

    union distinct

    select
        site_id,
        next_start as edge_date

    from periods

),

quarter_hours as (

    select
        edges.*,
        {{ utc_midnight('edges.edge_date') }}
        + quarters.quarter_number * interval '15' minute as starts_at

    from edges

    cross join {{ numbers(-96, 95) }} as quarters (quarter_number)

),

-- the first instant on or after the date: a zone may skip a day
edge_instants as (

    select
        quarter_hours.site_id,
        quarter_hours.edge_date,
        min(quarter_hours.starts_at) as starts_at

    from quarter_hours

    inner join sites
        on
            quarter_hours.site_id = sites.site_id
            and {{ valid_at('sites', 'quarter_hours.starts_at') }}

    where quarter_hours.edge_date <= {{ local_date(
        in_zone('quarter_hours.starts_at', 'sites.zone'), 'sites.last_date'
    ) }}

    group by quarter_hours.site_id, quarter_hours.edge_date

),

expected as (

    select
        periods.site_id,
        periods.period_days,
        periods.is_current,
        periods.period_start,
        periods.period_end,
        cast(
            {{ minutes_between('firsts.starts_at', 'nexts.starts_at') }} / 5
            as bigint
        ) as expected_count

    from periods

    inner join edge_instants as firsts
        on
            periods.site_id = firsts.site_id
            and periods.period_start = firsts.edge_date

    inner join edge_instants as nexts
        on
            periods.site_id = nexts.site_id
            and periods.next_start = nexts.edge_date

)

select * from expected
