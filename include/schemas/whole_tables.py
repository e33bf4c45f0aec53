"""Rules that no row and no piece of a table can show, as queries over the whole of it."""

from dataclasses import dataclass

from include.glucose import PERIOD_DAYS
from include.schemas.rules import ERROR


@dataclass(frozen=True)
class TableRule:
    """A rule named `code`; `broken` is the query over `{table}` that gives each site that breaks it."""

    code: str
    severity: str
    broken: str

    def query(self, table: str) -> str:
        """The sites that break the rule, one a row."""
        return self.broken.format(table=table)


def _no_hole(code: str, date: str) -> TableRule:
    """One row for each day of the site, from its first to its last.

    It is the calendar but for days that had no hour: whoever moves east over the date line leaves one out.
    """
    return TableRule(
        code,
        ERROR,
        f"""
        select distinct days.site_id
        from silver.int_local_days as days
        inner join (
            select site_id, min({date}) as first_date, max({date}) as last_date
            from {{table}}
            group by site_id
        ) as span
            on days.site_id = span.site_id and days.reading_date between span.first_date and span.last_date
        left join {{table}} as present
            on days.site_id = present.site_id and days.reading_date = present.{date}
        where present.site_id is null
        order by days.site_id
        """,  # noqa: S608 (names of ours)
    )


def _all_periods(code: str) -> TableRule:
    """Each period, and the one before it."""
    return TableRule(
        code,
        ERROR,
        f"""
        select site_id
        from {{table}}
        group by site_id
        having count(*) <> {2 * len(PERIOD_DAYS)}
        order by site_id
        """,  # noqa: S608 (a number of ours)
    )


TABLE_RULES: dict[str, tuple[TableRule, ...]] = {
    "mrt_glucose_overview": (_no_hole("day_missing", "reading_date"),),
    "mrt_glucose_nights": (_no_hole("night_missing", "night_date"),),
    "mrt_glucose_periods": (_all_periods("period_missing"),),
}
