{% macro slot_start(instant) %}
  {{- return(adapter.dispatch('slot_start', 'glucose')(instant)) -}}
{% endmacro %}

{% macro duckdb__slot_start(instant) -%}
  to_timestamp(floor(epoch({{ instant }}) / 300) * 300)
{%- endmacro %}

{% macro trino__slot_start(instant) -%}
  cast(
    from_unixtime(floor(to_unixtime({{ instant }}) / 300) * 300, 'UTC')
    as timestamp(6) with time zone
  )
{%- endmacro %}
