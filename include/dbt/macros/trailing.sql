{% macro trailing(aggregate, days) -%}
  {{ aggregate }} over (
    partition by site_id
    order by reading_date
    rows between {{ days - 1 }} preceding and current row
  )
{%- endmacro %}
