{% macro month_name(date) %}
  {{- return(adapter.dispatch('month_name', 'glucose')(date)) -}}
{% endmacro %}

{% macro duckdb__month_name(date) -%}
  monthname({{ date }})
{%- endmacro %}

{% macro trino__month_name(date) -%}
  format_datetime({{ date }}, 'MMMM')
{%- endmacro %}
