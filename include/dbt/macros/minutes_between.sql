{% macro minutes_between(since, until) -%}
  {{ elapsed('millisecond', since, until) }} / 6e4
{%- endmacro %}
