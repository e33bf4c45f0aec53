with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

kinds as (

    select thresholds.*

    from (
        values
        ('low', -1, 70e0),
        ('very_low', -1, 54e0),
        ('high', 1, 180e0),
        ('very_high', 1, 250e0)
    ) as thresholds (kind, side, threshold_mg_dl)

),

-- a hole of more than 45 minutes ends a stretch, and whatever went on in it
compared as (

    select
        readings.*,
        kinds.kind,
        kinds.side,
        readings.glucose_mg_dl * kinds.side
        > kinds.threshold_mg_dl * kinds.side as is_beyond,
        case
            when readings.minutes_since_last_reading <= 45 then 0 else 1
        end as starts_stretch

    from readings

    cross join kinds

),

followed as (

    select
        *,
        case
            when starts_stretch = 1 then 1
            when is_beyond <> lag(is_beyond) over kind_readings then 1
            else 0
        end as starts_run

    from compared

    window kind_readings as (
        partition by site_id, kind order by reading_timestamp
    )

),

numbered as (

    select
        *,
        sum(starts_stretch) over kind_readings as stretch_number,
        sum(starts_run) over kind_readings as run_number

    from followed

    window kind_readings as (
        partition by site_id, kind order by reading_timestamp
    )

),

runs as (

    select
        site_id,
        kind,
        cast(stretch_number as bigint) as stretch_number,
        cast(run_number as bigint) as run_number,
        is_beyond,
        min_by(entry_id, reading_timestamp) as first_entry_id,
        min(reading_timestamp) as first_at,
        max(reading_timestamp) as last_at,
        min_by(reading_timestamp_local, reading_timestamp) as first_at_local,
        min_by(reading_date, reading_timestamp) as first_date,
        count(*) as reading_count,
        side * max(side * glucose_mg_dl) as extreme_glucose_mg_dl

    from numbered

    group by site_id, kind, side, stretch_number, run_number, is_beyond

)

select * from runs
