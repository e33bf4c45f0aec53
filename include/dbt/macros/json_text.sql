{% macro json_text(document, field) %}
  {{- return(adapter.dispatch('json_text', 'glucose')(document, field)) -}}
{% endmacro %}

{# One document that is no valid JSON must not fail the build; Trino gives null by itself. #}
{% macro duckdb__json_text(document, field) -%}
  case
    when json_valid({{ document }})
      then json_extract_string({{ document }}, '$.{{ field }}')
  end
{%- endmacro %}

{% macro trino__json_text(document, field) -%}
  json_extract_scalar({{ document }}, '$.{{ field }}')
{%- endmacro %}
