{% macro percent_of_rows(condition) -%}
  {{ percent_of('count(*) filter (where ' ~ condition ~ ')', 'count(*)') }}
{%- endmacro %}
