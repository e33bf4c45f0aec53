{# Never dbt.datediff or DuckDB's date_diff: they count boundaries crossed, not time elapsed. #}
{% macro minutes_between(since, until) %}
  {{- return(adapter.dispatch('minutes_between', 'glucose')(since, until)) -}}
{% endmacro %}

{# as Trino counts: between the milliseconds in which the two instants lie #}
{% macro duckdb__minutes_between(since, until) -%}
  (epoch_ms({{ until }}) - epoch_ms({{ since }})) / 6e4
{%- endmacro %}

{% macro trino__minutes_between(since, until) -%}
  date_diff('millisecond', {{ since }}, {{ until }}) / 6e4
{%- endmacro %}
