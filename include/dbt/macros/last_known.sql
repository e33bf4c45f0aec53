{% macro last_known(expression, at, window) %}
  {{- return(adapter.dispatch('last_known', 'glucose')(expression, at, window)) -}}
{% endmacro %}

{% macro duckdb__last_known(expression, at, window) -%}
  last_value({{ expression }} ignore nulls) over {{ window }}
{%- endmacro %}

{# Trino's last_value walks back over all the nulls anew for each row: half a minute for a year. #}
{% macro trino__last_known(expression, at, window) -%}
  max_by({{ expression }}, case when {{ expression }} is not null then {{ at }} end) over {{ window }}
{%- endmacro %}
