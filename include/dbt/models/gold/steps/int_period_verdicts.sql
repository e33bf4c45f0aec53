{% set verdicts = [
    ('time_in_range', 'time_in_target_range_pct', '>'),
    ('time_below_range', 'time_below_target_range_pct', '<'),
    ('time_below_54', 'time_below_54_pct', '<'),
    ('time_above_range', 'time_above_target_range_pct', '<'),
    ('time_above_250', 'time_above_250_pct', '<'),
    ('cv', 'cv_pct', '<=')
] %}

with

statistics as (

    select * from {{ ref('int_period_statistics') }}

),

targets as (

    select * from {{ ref('int_site_targets') }}

),

sufficient as (

    select *

    from statistics

    where is_sufficient

),

-- of the two periods of a length the one before comes first
judged as (

    select
        sufficient.site_id,
        sufficient.period_days,
        sufficient.is_current,
        {% for target, share, comparison in verdicts -%}
            sufficient.{{ share }} {{ comparison }} targets.{{ target }}_target_pct
                as meets_{{ target }}_target,
        {% endfor -%}
        sufficient.avg_glucose_mg_dl
        - lag(sufficient.avg_glucose_mg_dl) over same_length
            as avg_glucose_change_mg_dl,
        sufficient.time_in_range_pct
        - lag(sufficient.time_in_range_pct) over same_length
            as time_in_range_change_pct,
        sufficient.cv_pct
        - lag(sufficient.cv_pct) over same_length as cv_change_pct

    from sufficient

    inner join targets on sufficient.site_id = targets.site_id

    window
        same_length as (
            partition by sufficient.site_id, sufficient.period_days
            order by sufficient.is_current
        )

)

select * from judged
