{#
  One statement and one catalog commit. dbt-trino's own makes a table under contract empty and fills it
  afterwards; all that this gains, not-null columns, is a test of each model.
#}
{% macro trino__create_table_as(temporary, relation, sql, on_exists) %}
  {%- if config.get('contract').enforced -%}
    {{ get_assert_columns_equivalent(sql) }}
    {%- set sql = get_select_subquery(sql) -%}
  {%- endif -%}
  create or replace table {{ relation }} as (
    {{ sql }}
  )
{% endmacro %}
