{# Further up is no amount that anybody takes, and a sum of decimals has no room for it. #}
{% macro below_a_million(amount) -%}
  case when {{ amount }} < 1e6 then {{ amount }} end
{%- endmacro %}
