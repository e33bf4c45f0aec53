{% macro j_index(avg_glucose_mg_dl, stddev_glucose_mg_dl) -%}
  1e-3 * power({{ avg_glucose_mg_dl }} + {{ stddev_glucose_mg_dl }}, 2)
{%- endmacro %}
