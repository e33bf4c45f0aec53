{% set kinds = [
    ('low', '< 70'), ('very_low', '< 54'), ('high', '> 180'), ('very_high', '> 250')
] %}

with

readings as (

    select * from {{ ref('fct_glucose_readings') }}

),

-- a hole of more than 45 minutes ends a stretch, and whatever went on in it
followed as (

    select
        *,
        lag(glucose_mg_dl) over site_readings as previous_glucose_mg_dl,
        case when minutes_since_last_reading <= 45 then 0 else 1 end
            as starts_stretch

    from readings

    window
        site_readings as (partition by site_id order by reading_timestamp)

),

numbered as (

    select
        *,
        {% for kind, beyond in kinds -%}
            sum(case
                when starts_stretch = 1 then 1
                when
                    (glucose_mg_dl {{ beyond }})
                    <> (previous_glucose_mg_dl {{ beyond }})
                    then 1
                else 0
            end) over site_readings as {{ kind }}_run_number,
        {% endfor -%}
        sum(starts_stretch) over site_readings as stretch_number

    from followed

    window
        site_readings as (partition by site_id order by reading_timestamp)

),

-- numbered before they are multiplied, so that one sort serves all kinds
compared as (

    select
        numbered.*,
        kinds.kind,
        case kinds.kind
            {% for kind, _ in kinds -%}
                when '{{ kind }}' then numbered.{{ kind }}_run_number
            {% endfor -%}
        end as run_number,
        case kinds.kind
            {% for kind, beyond in kinds -%}
                when '{{ kind }}' then numbered.glucose_mg_dl {{ beyond }}
            {% endfor -%}
        end as is_beyond

    from numbered

    cross join (
        values ('low'), ('very_low'), ('high'), ('very_high')
    ) as kinds (kind)

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
        min(glucose_mg_dl) as min_glucose_mg_dl,
        max(glucose_mg_dl) as max_glucose_mg_dl

    from compared

    group by site_id, kind, stretch_number, run_number, is_beyond

)

select * from runs
