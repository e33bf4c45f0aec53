{# NaN compares with nothing on Trino and is the greatest on DuckDB: neither keeps it. #}
{% macro json_number(document, field) -%}
  case
    when
      abs(try_cast({{ json_text(document, field) }} as double)) < 1e15
      then try_cast({{ json_text(document, field) }} as double)
  end
{%- endmacro %}
