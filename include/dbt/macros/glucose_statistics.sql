{# The columns that a day and a period have in common. #}
{% macro glucose_statistics(glucose, risk) -%}
  {{ exact_avg(glucose) }} as avg_glucose_mg_dl,
  {{ percentile(glucose, 50) }} as median_glucose_mg_dl,
  min({{ glucose }}) as min_glucose_mg_dl,
  max({{ glucose }}) as max_glucose_mg_dl,
  {{ exact_stddev(glucose) }} as stddev_glucose_mg_dl,
  {{ percent_of_rows(glucose ~ ' < 54') }} as time_below_54_pct,
  {{ percent_of_rows(glucose ~ ' >= 54 and ' ~ glucose ~ ' < 70') }} as time_54_69_pct,
  {{ percent_of_rows(glucose ~ ' < 70') }} as time_below_range_pct,
  {{ percent_of_rows(glucose ~ ' >= 70 and ' ~ glucose ~ ' <= 180') }} as time_in_range_pct,
  {{ percent_of_rows(glucose ~ ' >= 70 and ' ~ glucose ~ ' <= 140') }} as time_in_tight_range_pct,
  {{ percent_of_rows(glucose ~ ' > 180') }} as time_above_range_pct,
  {{ percent_of_rows(glucose ~ ' > 180 and ' ~ glucose ~ ' <= 250') }} as time_181_250_pct,
  {{ percent_of_rows(glucose ~ ' > 250') }} as time_above_250_pct,
  {{ percentile(glucose, 5) }} as p05_mg_dl,
  {{ percentile(glucose, 25) }} as p25_mg_dl,
  {{ percentile(glucose, 75) }} as p75_mg_dl,
  {{ percentile(glucose, 95) }} as p95_mg_dl,
  10 * {{ exact_avg('power(least(' ~ risk ~ ', 0e0), 2)') }} as lbgi,
  10 * {{ exact_avg('power(greatest(' ~ risk ~ ', 0e0), 2)') }} as hbgi
{%- endmacro %}
