{% macro in_zone(instant, zone) %}
  {{- return(adapter.dispatch('in_zone', 'glucose')(instant, zone)) -}}
{% endmacro %}

{% macro duckdb__in_zone(instant, zone) -%}
  ({{ instant }} at time zone {{ zone }})
{%- endmacro %}

{# `at time zone` takes no column on Trino #}
{% macro trino__in_zone(instant, zone) -%}
  cast(at_timezone({{ instant }}, {{ zone }}) as timestamp(6))
{%- endmacro %}
