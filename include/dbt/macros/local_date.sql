{% macro local_date(local_timestamp, last_date) -%}
  least(cast({{ local_timestamp }} as date), {{ last_date }})
{%- endmacro %}
