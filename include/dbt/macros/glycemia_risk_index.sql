{% macro glycemia_risk_index(below_54_pct, from_54_pct, to_250_pct, above_250_pct) -%}
  least(
    1e2,
    3e0 * {{ below_54_pct }}
    + 2.4e0 * {{ from_54_pct }}
    + 1.6e0 * {{ above_250_pct }}
    + 0.8e0 * {{ to_250_pct }}
  )
{%- endmacro %}
