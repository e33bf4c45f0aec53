{% set measures = [
    'avg_glucose_mg_dl', 'median_glucose_mg_dl', 'min_glucose_mg_dl',
    'max_glucose_mg_dl', 'stddev_glucose_mg_dl', 'cv_pct', 'time_below_54_pct',
    'time_54_69_pct', 'time_below_range_pct', 'time_in_range_pct',
    'time_in_tight_range_pct', 'time_above_range_pct', 'time_181_250_pct',
    'time_above_250_pct', 'p05_mg_dl', 'p25_mg_dl', 'p75_mg_dl', 'p95_mg_dl',
    'lbgi', 'hbgi', 'gri', 'j_index', 'gmi_pct', 'time_below_target_range_pct',
    'time_in_target_range_pct', 'time_above_target_range_pct'
] %}
{% set targets_in_pct = [
    'time_in_range', 'time_below_range', 'time_below_54', 'time_above_range',
    'time_above_250', 'cv'
] %}

with

periods as (

    select * from {{ ref('int_glucose_periods') }}

),

statistics as (

    select * from {{ ref('int_period_statistics') }}

),

events as (

    select * from {{ ref('int_period_events') }}

),

targets as (

    select * from {{ ref('int_site_targets') }}

),

verdicts as (

    select * from {{ ref('int_period_verdicts') }}

),

described as (

    select
        periods.site_id,
        periods.period_days,
        periods.is_current,
        periods.period_start,
        periods.period_end,
        coalesce(statistics.day_count, 0) as day_count,
        coalesce(statistics.reading_count, 0) as reading_count,
        periods.expected_count,
        coalesce(statistics.coverage_pct, 0) as coverage_pct,
        coalesce(statistics.is_sufficient, false) as is_sufficient,
        {% for measure in measures -%}
            statistics.{{ measure }},
        {% endfor -%}
        events.low_event_count,
        events.very_low_event_count,
        events.high_event_count,
        events.very_high_event_count,
        targets.target_set,
        targets.target_low_mg_dl,
        targets.target_high_mg_dl,
        {% for target in targets_in_pct -%}
            targets.{{ target }}_target_pct,
            verdicts.meets_{{ target }}_target,
        {% endfor -%}
        verdicts.avg_glucose_change_mg_dl,
        verdicts.time_in_range_change_pct,
        verdicts.cv_change_pct

    from periods

    inner join targets on periods.site_id = targets.site_id

    {% for table in ['statistics', 'events', 'verdicts'] -%}
        left join {{ table }}
            on
                periods.site_id = {{ table }}.site_id
                and periods.period_days = {{ table }}.period_days
                and periods.is_current = {{ table }}.is_current

    {% endfor %}
)

select * from described
