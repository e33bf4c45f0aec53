{% macro blood_glucose_risk(glucose_mg_dl) -%}
  1.509e0 * (power(ln({{ glucose_mg_dl }}), 1.084e0) - 5.381e0)
{%- endmacro %}
