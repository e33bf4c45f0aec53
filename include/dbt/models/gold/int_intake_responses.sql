with

intakes as (

    select * from {{ ref('int_intakes') }}

),

readings as (

    select
        site_id,
        reading_timestamp,
        glucose_mg_dl,
        {{ hour_number('reading_timestamp') }} as hour_number

    from {{ ref('fct_glucose_readings') }}

),

-- joined by the hour, since a join on a range alone compares everything on Trino
nearby as (

    select
        intakes.site_id,
        intakes.treatment_id,
        readings.glucose_mg_dl,
        {{ minutes_between('intakes.treated_at', 'readings.reading_timestamp') }}
            as minutes

    from intakes

    cross join {{ numbers(-1, 4) }} as around (hour_offset)

    inner join readings
        on
            intakes.site_id = readings.site_id
            and {{ hour_number('intakes.treated_at') }} + around.hour_offset
            = readings.hour_number

),

compared as (

    select
        *,
        minutes > 0 and minutes <= 180 as is_after,
        row_number() over (
            partition by site_id, treatment_id, minutes > 0, glucose_mg_dl
            order by minutes
        ) = 1 as is_first_of_glucose

    from nearby

),

-- of two readings that are equally near the earlier one
measured as (

    select
        site_id,
        treatment_id,
        {% for name, before in [('hour', 60), ('quarter', 15)] -%}
            {{ exact_avg(
                "case when minutes >= -" ~ before
                ~ " and minutes <= 0 then glucose_mg_dl end"
            ) }} as {{ name }}_before_mg_dl,
        {% endfor -%}
        {{ exact_avg('case when is_after then glucose_mg_dl end') }}
            as three_hours_after_mg_dl,
        count(case when is_after then glucose_mg_dl end) as after_reading_count,
        {% for after in [60, 120, 180] -%}
            min_by(
                glucose_mg_dl,
                abs(minutes - {{ after }})
                + case when minutes > {{ after }} then 1e-6 else 0 end
            ) filter (where abs(minutes - {{ after }}) <= 15)
                as glucose_{{ after }}m_mg_dl,
        {% endfor -%}
        {% for name, extreme in [('nadir', 'min'), ('peak', 'max')] -%}
            {{ extreme }}(case when is_after then glucose_mg_dl end)
                as {{ name }}_mg_dl,
            {{ extreme }}_by(minutes, glucose_mg_dl) filter (
                where is_after and is_first_of_glucose
            ) as minutes_to_{{ name }}
            {%- if not loop.last %}, {% endif %}
        {% endfor %}

    from compared

    group by site_id, treatment_id

)

select * from measured
