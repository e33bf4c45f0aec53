{% macro day_name(date) %}
  {{- return(adapter.dispatch('day_name', 'glucose')(date)) -}}
{% endmacro %}

{% macro duckdb__day_name(date) -%}
  dayname({{ date }})
{%- endmacro %}

{% macro trino__day_name(date) -%}
  format_datetime({{ date }}, 'EEEE')
{%- endmacro %}
