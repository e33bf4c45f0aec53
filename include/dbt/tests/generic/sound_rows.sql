{# One statement for everything a single row, or its key, must satisfy; each failing row names what it breaks. #}
{% test sound_rows(model, key, required=[], conditions=[]) %}

with

repeated as (

    select
        {{ key | join(', ') }},
        'the key is repeated' as broken

    from {{ model }}

    group by {{ key | join(', ') }}

    having count(*) > 1

),

unsound as (

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

select * from repeated

union all

select * from unsound where broken is not null

{% endtest %}
