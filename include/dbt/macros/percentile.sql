{% macro percentile(expression, percent) %}
  {{- return(adapter.dispatch('percentile', 'glucose')(expression, percent)) -}}
{% endmacro %}

{% macro duckdb__percentile(expression, percent) -%}
  quantile_cont({{ expression }}, {{ percent }}e-2)
{%- endmacro %}

{#
  Trino has no exact interpolated percentile; approx_percentile gives 2.0 for p25 of 1, 2, 3, 4. Ordered as it
  is gathered, one array serves all percentiles of a value; array_sort would order it anew at each mention.
#}
{% macro trino__percentile(expression, percent) -%}
  {%- set ordered -%}
    array_agg({{ expression }} order by {{ expression }})
  {%- endset -%}
  {%- set position -%}
    ({{ percent }}e-2 * (count({{ expression }}) - 1))
  {%- endset -%}
  {%- set below -%}
    element_at({{ ordered }}, cast(floor({{ position }}) as integer) + 1)
  {%- endset -%}
  {%- set above -%}
    element_at({{ ordered }}, cast(ceil({{ position }}) as integer) + 1)
  {%- endset -%}
  {{ below }}
  + ({{ position }} - floor({{ position }})) * ({{ above }} - {{ below }})
{%- endmacro %}
