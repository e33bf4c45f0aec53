{#
  A sum of doubles depends on the order of its terms: the same readings, stored in another order, would end in
  other last digits. A sum of decimals does not.
#}
{% macro exact_sum(expression) -%}
  cast(sum(cast({{ expression }} as decimal(38, 15))) as double)
{%- endmacro %}
