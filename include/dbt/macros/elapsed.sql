{# Never dbt.datediff or DuckDB's date_diff: they count boundaries crossed, not time elapsed. #}
{% macro elapsed(unit, since, until) %}
  {{- return(adapter.dispatch('elapsed', 'glucose')(unit, since, until)) -}}
{% endmacro %}

{% macro duckdb__elapsed(unit, since, until) -%}
  date_sub('{{ unit }}', {{ since }}, {{ until }})
{%- endmacro %}

{% macro trino__elapsed(unit, since, until) -%}
  date_diff('{{ unit }}', {{ since }}, {{ until }})
{%- endmacro %}
