{# 1e2, not 100.0: a decimal would cut the share to one digit on Trino #}
{% macro percent_of(part, whole) -%}
  1e2 * {{ part }} / nullif({{ whole }}, 0)
{%- endmacro %}
