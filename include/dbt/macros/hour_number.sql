{% macro hour_number(instant) -%}
  cast(floor({{ epoch_milliseconds(instant) }} / 3.6e6) as bigint)
{%- endmacro %}
