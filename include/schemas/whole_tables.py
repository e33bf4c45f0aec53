"""Rules that no row and no piece of a table can show, as queries over the whole of it.

Each groups by site, so that the engine holds a few numbers however many years there are.
"""

from dataclasses import dataclass

from include.glucose import PERIOD_DAYS
from include.schemas.rules import ERROR


@dataclass(frozen=True)
class TableRule:
    """A rule named `code`. It is broken by each site of which `broken`, a condition over a group, is true."""

    code: str
    severity: str
    broken: str

    def query(self, table: str) -> str:
        """The sites that break the rule, one a row."""
        return f"select site_id from {table} group by site_id having {self.broken} order by site_id"  # noqa: S608


def _no_hole(code: str, date: str) -> TableRule:
    """One row a day, from the first to the last."""
    return TableRule(code, ERROR, f"date_diff('day', min({date}), max({date})) + 1 <> count(distinct {date})")


TABLE_RULES: dict[str, tuple[TableRule, ...]] = {
    "mrt_glucose_overview": (_no_hole("day_missing", "reading_date"),),
    "mrt_glucose_nights": (_no_hole("night_missing", "night_date"),),
    "mrt_glucose_periods": (TableRule("period_missing", ERROR, f"count(*) <> {2 * len(PERIOD_DAYS)}"),),
}
