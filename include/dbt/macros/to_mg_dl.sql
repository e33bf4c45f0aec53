{% macro to_mg_dl(glucose, unit) -%}
  case
    when lower({{ unit }}) = 'mg/dl' then {{ glucose }}
    when lower({{ unit }}) in ('mmol', 'mmol/l') then 18.01559e0 * {{ glucose }}
  end
{%- endmacro %}
