with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

sites as (

    select * from {{ ref('stg_sites') }}

),

data_through as (

    select * from {{ ref('int_site_data_through') }}

),

-- 13 days before the first reading, so that 14 trailing days are always whole
spans as (

    select
        readings.site_id,
        data_through.data_through,
        max(readings.reading_date) as last_reading_date,
        cast(min(readings.reading_date) - interval '13' day as date)
            as first_date,
        cast(greatest(
            max(readings.reading_date),
            cast({{ in_zone('data_through.data_through', "'UTC'") }} as date)
        ) as date) as last_date

    from readings

    inner join data_through on readings.site_id = data_through.site_id

    group by readings.site_id, data_through.data_through

),

-- no zone is a day away from UTC: two days more hold the first and last day whole
weeks as (

    select
        spans.*,
        cast(weeks.week_start as date) as week_start

    from spans

    cross join {{ weeks(
        "cast(spans.first_date - interval '2' day as date)",
        "cast(spans.last_date + interval '2' day as date)"
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
        {{ local_date(
            in_zone('quarter_hours.starts_at', 'sites.zone'), 'sites.last_date'
        ) }} as reading_date,
        quarter_hours.data_through,
        quarter_hours.first_date,
        quarter_hours.last_reading_date

    from quarter_hours

    inner join sites
        on
            quarter_hours.site_id = sites.site_id
            and quarter_hours.starts_at >= sites.valid_from_at
            and (
                sites.valid_to_at is null
                or quarter_hours.starts_at < sites.valid_to_at
            )

)

select * from localized
