{% macro epoch_milliseconds(instant) %}
  {{- return(adapter.dispatch('epoch_milliseconds', 'glucose')(instant)) -}}
{% endmacro %}

{% macro duckdb__epoch_milliseconds(instant) -%}
  epoch_ms({{ instant }})
{%- endmacro %}

{% macro trino__epoch_milliseconds(instant) -%}
  date_diff('millisecond', from_unixtime(0, 'UTC'), {{ instant }})
{%- endmacro %}
