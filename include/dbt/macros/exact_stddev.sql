{# The decimals have room for the squares of 10 billion terms up to 1,000. #}
{% macro exact_stddev(expression) -%}
  {%- set term -%}
    cast({{ expression }} as decimal(12, 6))
  {%- endset -%}
  sqrt(
    cast(
      cast(count({{ expression }}) as decimal(10, 0))
      * cast(sum({{ term }} * {{ term }}) as decimal(28, 12))
      - cast(sum({{ term }}) as decimal(19, 6))
      * cast(sum({{ term }}) as decimal(19, 6))
      as double
    )
    / nullif(count({{ expression }}) * (count({{ expression }}) - 1), 0)
  )
{%- endmacro %}
