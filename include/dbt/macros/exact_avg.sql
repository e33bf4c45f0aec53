{% macro exact_avg(expression) -%}
  ({{ exact_sum(expression) }} / count({{ expression }}))
{%- endmacro %}
