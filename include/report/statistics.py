"""The statistics of a period and how they differ from those of the period before, as lines of a table."""

from dataclasses import dataclass
from math import floor

from include.glucose import HIGH_MG_DL, HIGH_OF_TIGHT_RANGE_MG_DL, LOW_MG_DL, SUFFICIENT_PCT
from include.report.marts import Row
from include.report.ranges import verdict
from include.report.reasons import deviation_reason, gmi_reason, shortfall
from include.report.units import Units
from include.report.wording import MISSING, decimal, percent, points


@dataclass(frozen=True)
class Statistic:
    """One line: what it is, its column of `mrt_glucose_periods`, its text, goal and verdict, why grey."""

    name: str
    column: str
    text: str
    goal: str = ""
    verdict: str = ""
    is_met: bool | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Comparison:
    """One line: this period, the one before, and the change where the mart has it."""

    name: str
    column: str
    now: str
    before: str
    change: str = ""


def statistics(period: Row, units: Units) -> list[Statistic]:
    """What AGP reports list, and the median, the tight range and the glycemia risk index beside it."""
    little = shortfall(period)
    cv_goal = period["cv_target_pct"]
    return [
        Statistic(
            "Mean glucose", "avg_glucose_mg_dl", _glucose(period["avg_glucose_mg_dl"], units), reason=little
        ),
        Statistic(
            "Median", "median_glucose_mg_dl", _glucose(period["median_glucose_mg_dl"], units), reason=little
        ),
        Statistic(
            "Glucose management indicator (GMI)",
            "gmi_pct",
            decimal(period["gmi_pct"], "%"),
            reason=gmi_reason(period),
        ),
        Statistic(
            "Standard deviation",
            "stddev_glucose_mg_dl",
            _glucose(period["stddev_glucose_mg_dl"], units),
            reason=deviation_reason(period),
        ),
        Statistic(
            "Coefficient of variation (CV)",
            "cv_pct",
            decimal(period["cv_pct"], "%"),
            "" if cv_goal is None else f"at most {cv_goal:g} %",
            *verdict(period, "cv"),
            deviation_reason(period),
        ),
        Statistic(
            f"Time in tight range {units.between(LOW_MG_DL, HIGH_OF_TIGHT_RANGE_MG_DL)}",
            "time_in_tight_range_pct",
            percent(period["time_in_tight_range_pct"]),
            reason=little,
        ),
        Statistic("Glycemia risk index (0 to 100)", "gri", decimal(period["gri"]), reason=little),
        Statistic(
            "Readings of those expected",
            "coverage_pct",
            _coverage(period),
            f"at least {SUFFICIENT_PCT} %",
            "enough" if period["is_sufficient"] else "too little",
            bool(period["is_sufficient"]),
        ),
    ]


def comparison(period: Row, before: Row, units: Units) -> list[Comparison]:
    """The period against the one before. Changes are the mart's: it has none when either lacks data."""

    def shares(name: str, column: str, change: str = "") -> Comparison:
        return Comparison(name, column, percent(period[column]), percent(before[column]), change)

    def counts(name: str, column: str) -> Comparison:
        return Comparison(name, column, str(period[column]), str(before[column]))

    mean, in_range, cv = (
        period[f"{name}_change_{unit}"]
        for name, unit in (("avg_glucose", "mg_dl"), ("time_in_range", "pct"), ("cv", "pct"))
    )
    return [
        Comparison(
            "Mean glucose",
            "avg_glucose_mg_dl",
            _glucose(period["avg_glucose_mg_dl"], units),
            _glucose(before["avg_glucose_mg_dl"], units),
            "" if mean is None else f"{units.change(mean)} {units.name}",
        ),
        Comparison("GMI", "gmi_pct", decimal(period["gmi_pct"], "%"), decimal(before["gmi_pct"], "%")),
        shares(
            f"In range {units.between(LOW_MG_DL, HIGH_MG_DL)}",
            "time_in_range_pct",
            "" if in_range is None else f"{points(in_range)} points",
        ),
        shares(f"Below {units.text(LOW_MG_DL)}", "time_below_range_pct"),
        shares(f"Above {units.text(HIGH_MG_DL)}", "time_above_range_pct"),
        Comparison(
            "CV",
            "cv_pct",
            decimal(period["cv_pct"], "%"),
            decimal(before["cv_pct"], "%"),
            "" if cv is None else f"{points(cv)} points",
        ),
        counts("Lows", "low_event_count"),
        counts("Highs", "high_event_count"),
        Comparison(
            "Readings of those expected",
            "coverage_pct",
            _coverage(period),
            _coverage(before),
        ),
    ]


def _coverage(period: Row) -> str:
    """With one decimal; rounded down where it is too little: 69.97 % are not the 70 that are needed."""
    share = period["coverage_pct"]
    return decimal(share if period["is_sufficient"] else floor(10 * share) / 10, "%")


def _glucose(value_mg_dl: float | None, units: Units) -> str:
    return MISSING if value_mg_dl is None else f"{units.text(value_mg_dl)} {units.name}"
