{# From exact sums: regr_slope would depend on the order of its rows. #}
{% macro least_squares_slope(y, x) -%}
  (count(*) * {{ exact_sum('(' ~ x ~ ') * (' ~ y ~ ')') }}
  - {{ exact_sum(x) }} * {{ exact_sum(y) }})
  / nullif(
    count(*) * {{ exact_sum('(' ~ x ~ ') * (' ~ x ~ ')') }}
    - {{ exact_sum(x) }} * {{ exact_sum(x) }},
    0
  )
{%- endmacro %}
