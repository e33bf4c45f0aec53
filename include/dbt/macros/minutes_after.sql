{% macro minutes_after(instant, minutes) %}
  {{- return(adapter.dispatch('minutes_after', 'glucose')(instant, minutes)) -}}
{% endmacro %}

{% macro duckdb__minutes_after(instant, minutes) -%}
  ({{ instant }} + to_milliseconds(cast(round({{ minutes }} * 6e4) as bigint)))
{%- endmacro %}

{% macro trino__minutes_after(instant, minutes) -%}
  date_add('millisecond', cast(round({{ minutes }} * 6e4) as bigint), {{ instant }})
{%- endmacro %}
