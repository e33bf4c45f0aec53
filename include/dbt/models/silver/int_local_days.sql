with

quarter_hours as (

    select * from {{ ref('int_local_quarter_hours') }}

),

days as (

    select
        site_id,
        reading_date,
        min(starts_at) as day_start_at,
        lead(min(starts_at)) over (
            partition by site_id order by reading_date
        ) as day_end_at,
        3 * count(*) as slot_count,
        data_through,
        first_date,
        last_reading_date

    from quarter_hours

    group by
        site_id, reading_date, data_through, first_date, last_reading_date

),

-- a slot is expected when it starts before data_through
expected as (

    select
        site_id,
        reading_date,
        day_start_at,
        day_end_at,
        slot_count,
        cast(
            least(
                slot_count,
                greatest(
                    0,
                    ceil(
                        {{ minutes_between('day_start_at', 'data_through') }}
                        / 5
                    )
                )
            ) as bigint
        ) as expected_count,
        day_end_at <= data_through as is_ended,
        data_through

    from days

    where
        reading_date >= first_date
        and (
            day_start_at < data_through or reading_date <= last_reading_date
        )

)

select * from expected
