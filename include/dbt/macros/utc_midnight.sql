{% macro utc_midnight(date) %}
  {{- return(adapter.dispatch('utc_midnight', 'glucose')(date)) -}}
{% endmacro %}

{% macro duckdb__utc_midnight(date) -%}
  timezone('UTC', cast({{ date }} as timestamp))
{%- endmacro %}

{% macro trino__utc_midnight(date) -%}
  with_timezone(cast({{ date }} as timestamp(6)), 'UTC')
{%- endmacro %}
