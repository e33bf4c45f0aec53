{# A sum of doubles depends on the order of its terms: without one, the same readings end in other last digits. #}
{% macro in_order(aggregate, expression) -%}
  {{ aggregate }}({{ expression }} order by {{ expression }})
{%- endmacro %}
