{% macro day_of_week(date) %}
  {{- return(adapter.dispatch('day_of_week', 'glucose')(date)) -}}
{% endmacro %}

{% macro duckdb__day_of_week(date) -%}
  isodow({{ date }})
{%- endmacro %}

{% macro trino__day_of_week(date) -%}
  day_of_week({{ date }})
{%- endmacro %}
