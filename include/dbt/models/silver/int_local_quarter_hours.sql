with

spans as (

    select * from {{ ref('int_site_spans') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

-- no zone is a day away from UTC: two days more hold all days whole
weeks as (

    select
        spans.*,
        cast(weeks.week_start as date) as week_start

    from spans

    cross join {{ weeks(
        "cast(spans.first_known_date - interval '2' day as date)",
        "cast(spans.last_known_date + interval '2' day as date)"
    ) }} as weeks (week_start)

),

-- zones change at quarter hours, but for a few at 00:01 (in Canada until 2011): where
-- such clocks go back, a day counts two slots too few and the next two too many
quarter_hours as (

    select
        weeks.*,
        {{ utc_midnight('weeks.week_start') }}
        + quarters.quarter_number * interval '15' minute as starts_at

    from weeks

    cross join {{ numbers(0, 671) }} as quarters (quarter_number)

),

localized as (

    select
        quarter_hours.site_id,
        quarter_hours.starts_at,
        {{ local_date(in_zone('quarter_hours.starts_at', 'sites.zone'),
            'sites.last_date') }} as reading_date,
        extract(hour from {{ in_zone('quarter_hours.starts_at', 'sites.zone') }})
            as hour_of_day,
        extract(minute from {{ in_zone('quarter_hours.starts_at', 'sites.zone') }})
            as minute_of_hour,
        quarter_hours.data_through,
        quarter_hours.first_date,
        quarter_hours.last_reading_date

    from quarter_hours

    inner join sites
        on
            quarter_hours.site_id = sites.site_id
            and {{ valid_at('sites', 'quarter_hours.starts_at') }}

)

select * from localized
