with

received as (

    select * from {{ ref('int_received_days') }}

),

overview as (

    select * from {{ ref('mrt_glucose_overview') }}

),

gaps as (

    select * from {{ ref('int_glucose_gaps') }}

),

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

clipped as (

    select
        site_id,
        reading_date,
        count(*) filter (where is_clipped) as clipped_count

    from readings

    group by site_id, reading_date

),

-- documents may lie before the first reading, or after data_through
days as (

    select
        coalesce(overview.site_id, received.site_id) as site_id,
        coalesce(overview.reading_date, received.reading_date) as reading_date,
        coalesce(received.received_count, 0) as received_count,
        coalesce(overview.reading_count, 0) as kept_count,
        coalesce(received.candidate_count, 0)
        - coalesce(overview.reading_count, 0) as duplicate_count,
        coalesce(received.excluded_count, 0) as excluded_count,
        coalesce(received.other_type_count, 0) as other_type_count,
        coalesce(received.deleted_count, 0) as deleted_count,
        coalesce(received.quarantined_count, 0) as quarantined_count,
        coalesce(overview.expected_count, 0) as expected_count,
        overview.coverage_pct,
        coalesce(received.device_count, 0) as device_count,
        coalesce(received.late_count, 0) as late_count

    from overview

    full outer join received
        on
            overview.site_id = received.site_id
            and overview.reading_date = received.reading_date

),

described as (

    select
        days.site_id,
        days.reading_date,
        days.received_count,
        days.kept_count,
        days.duplicate_count,
        days.excluded_count,
        days.other_type_count,
        days.deleted_count,
        days.quarantined_count,
        days.expected_count,
        days.coverage_pct,
        coalesce(gaps.gap_count, 0) as gap_count,
        gaps.longest_gap_minutes,
        days.device_count,
        coalesce(clipped.clipped_count, 0) as clipped_count,
        days.late_count

    from days

    left join gaps
        on days.site_id = gaps.site_id and days.reading_date = gaps.reading_date

    left join clipped
        on
            days.site_id = clipped.site_id
            and days.reading_date = clipped.reading_date

)

select * from described
