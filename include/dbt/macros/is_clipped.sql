{# 39 lies below every sensor's range and 500 ends the widest; 401 is a value on a Libre, 40 only there a limit. #}
{% macro is_clipped(glucose_mg_dl, device) -%}
  case
    when {{ glucose_mg_dl }} in (39, 500) then true
    when
      lower({{ device }}) like '%libre%' or lower({{ device }}) like '%limitter%'
      then {{ glucose_mg_dl }} = 40
    else {{ glucose_mg_dl }} = 401
  end
{%- endmacro %}
