{# One read of the table for everything that a row, or its key, must satisfy; each key names what it breaks. #}
{% test sound_rows(model, key, required=[], conditions=[]) %}

with

judged as (

    select
        {{ key | join(', ') }},
        case
            {%- for column in key + required %}
            when {{ column }} is null then '{{ column }} is null'
            {%- endfor %}
            {%- for condition in conditions %}
            when not ({{ condition }}) then '{{ condition | replace("'", "''") }}'
            {%- endfor %}
        end as broken

    from {{ model }}

)

select
    {{ key | join(', ') }},
    coalesce(max(broken), 'the key is repeated') as broken

from judged

group by {{ key | join(', ') }}

having count(*) > 1 or max(broken) is not null

{% endtest %}
