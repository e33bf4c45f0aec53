{# Weeks and not days: a sequence of Trino holds 10,000 items at most, which is 27 years of days. #}
{% macro weeks(first, last) %}
  {{- return(adapter.dispatch('weeks', 'glucose')(first, last)) -}}
{% endmacro %}

{% macro duckdb__weeks(first, last) -%}
  unnest(generate_series({{ first }}, {{ last }}, interval '7' day))
{%- endmacro %}

{% macro trino__weeks(first, last) -%}
  unnest(sequence({{ first }}, {{ last }}, interval '7' day))
{%- endmacro %}
