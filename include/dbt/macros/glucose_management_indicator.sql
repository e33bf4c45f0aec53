{% macro glucose_management_indicator(avg_glucose_mg_dl) -%}
  3.31e0 + 2.392e-2 * {{ avg_glucose_mg_dl }}
{%- endmacro %}
