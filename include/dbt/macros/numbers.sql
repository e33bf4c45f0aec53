{% macro numbers(first, last) %}
  {{- return(adapter.dispatch('numbers', 'glucose')(first, last)) -}}
{% endmacro %}

{% macro duckdb__numbers(first, last) -%}
  unnest(generate_series({{ first }}, {{ last }}))
{%- endmacro %}

{% macro trino__numbers(first, last) -%}
  unnest(sequence({{ first }}, {{ last }}))
{%- endmacro %}
