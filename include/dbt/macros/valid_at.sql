{% macro valid_at(relation, instant) -%}
    {{ instant }} >= {{ relation }}.valid_from_at
    and ({{ relation }}.valid_to_at is null or {{ instant }} < {{ relation }}.valid_to_at)
{%- endmacro %}
