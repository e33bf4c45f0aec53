{% macro json_elements(array) %}
  {{- return(adapter.dispatch('json_elements', 'glucose')(array)) -}}
{% endmacro %}

{% macro duckdb__json_elements(array) -%}
  unnest(cast(cast({{ array }} as json) as json[]))
{%- endmacro %}

{% macro trino__json_elements(array) -%}
  unnest(cast(json_parse({{ array }}) as array(json)))
{%- endmacro %}
