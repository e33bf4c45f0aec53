"""Rules that no row and no piece of a table can show, as queries over the whole of it.

Each groups by site, so that the engine holds a few numbers however many years there are.
"""

from dataclasses import dataclass

from include.schemas.measures import HIGHEST_SHARE_OF_LOWS_PCT, PLAUSIBLE_MEAN_MG_DL
from include.schemas.rules import ERROR, WARNING


@dataclass(frozen=True)
class TableRule:
    """A rule named `code`. It is broken by each site of which `broken`, a condition over a group, is true."""

    code: str
    severity: str
    broken: str

    def query(self, table: str) -> str:
        """The sites that break the rule, one a row."""
        return f"select site_id from {table} group by site_id having {self.broken} order by site_id"  # noqa: S608


TABLE_RULES: dict[str, tuple[TableRule, ...]] = {
    "fct_glucose_readings": (
        TableRule(
            f"share_of_lows_above_{HIGHEST_SHARE_OF_LOWS_PCT}_pct",
            WARNING,
            f"100 * avg(case when glucose_mg_dl < 70 then 1e0 else 0e0 end) > {HIGHEST_SHARE_OF_LOWS_PCT}",
        ),
        TableRule(
            "mean_outside_{}_to_{}".format(*PLAUSIBLE_MEAN_MG_DL),
            WARNING,
            "avg(glucose_mg_dl) not between {} and {}".format(*PLAUSIBLE_MEAN_MG_DL),
        ),
    ),
    "mrt_glucose_overview": (
        TableRule(
            "day_missing",
            ERROR,
            "date_diff('day', min(reading_date), max(reading_date)) + 1 <> count(distinct reading_date)",
        ),
    ),
}
