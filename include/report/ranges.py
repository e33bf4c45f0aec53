"""Time in ranges: the classes of the bar, and the targets with their verdicts."""

from dataclasses import dataclass

from include.glucose import HIGH_MG_DL, LOW_MG_DL, VERY_HIGH_MG_DL, VERY_LOW_MG_DL
from include.report import colors
from include.report.marts import Row
from include.report.units import Units


@dataclass(frozen=True)
class GlucoseClass:
    """One part of the bar: its share of the readings and the column of `mrt_glucose_periods` that has it."""

    name: str
    values: str
    column: str
    share_pct: float | None
    color: str


@dataclass(frozen=True)
class Target:
    """One target: the share it is about, the limit, whether it is met (None: no verdict, or no target)."""

    name: str
    column: str
    share_pct: float | None
    goal: str
    verdict: str
    is_met: bool | None


def classes(period: Row, units: Units) -> list[GlucoseClass]:
    """The classes from the highest to the lowest. They cover every reading once.

    Five of the consensus for 70-180 mg/dL; with a target of its own (pregnancy) what is above, in and below.
    """
    low, high = period["target_low_mg_dl"], period["target_high_mg_dl"]
    if (low, high) != (LOW_MG_DL, HIGH_MG_DL):
        parts = [
            ("High", f">{units.text(high)}", "time_above_target_range_pct", colors.HIGH),
            ("In target range", units.between(low, high), "time_in_target_range_pct", colors.IN_RANGE),
            ("Low", f"<{units.text(low)}", "time_below_target_range_pct", colors.LOW),
        ]
    else:
        parts = [
            ("Very high", f">{units.text(VERY_HIGH_MG_DL)}", "time_above_250_pct", colors.VERY_HIGH),
            (
                "High",
                units.between(high, VERY_HIGH_MG_DL, above=True),
                "time_181_250_pct",
                colors.HIGH,
            ),
            ("In target range", units.between(low, high), "time_in_range_pct", colors.IN_RANGE),
            ("Low", units.between(VERY_LOW_MG_DL, low, below=True), "time_54_69_pct", colors.LOW),
            ("Very low", f"<{units.text(VERY_LOW_MG_DL)}", "time_below_54_pct", colors.VERY_LOW),
        ]
    return [
        GlucoseClass(name, values, column, period[column], color) for name, values, column, color in parts
    ]


def targets(period: Row, units: Units) -> list[Target]:
    """The targets that the site's set has, with the verdicts of `mrt_glucose_periods`."""
    low, high = units.text(period["target_low_mg_dl"]), units.text(period["target_high_mg_dl"])
    very_low, very_high = units.text(VERY_LOW_MG_DL), units.text(VERY_HIGH_MG_DL)
    listed = [
        (f"In range {low}\N{EN DASH}{high}", "time_in_target_range_pct", "time_in_range", "more than"),
        (f"Below {low}", "time_below_target_range_pct", "time_below_range", "less than"),
        (f"Below {very_low}", "time_below_54_pct", "time_below_54", "less than"),
        (f"Above {high}", "time_above_target_range_pct", "time_above_range", "less than"),
        (f"Above {very_high}", "time_above_250_pct", "time_above_250", "less than"),
    ]
    return [
        Target(
            name,
            column,
            period[column],
            "no target"
            if period[f"{target}_target_pct"] is None
            else f"{comparison} {period[f'{target}_target_pct']:g} %",
            *verdict(period, target),
        )
        for name, column, target, comparison in listed
    ]


def verdict(period: Row, target: str) -> tuple[str, bool | None]:
    """The verdict on a target as a word, and as it is in the mart."""
    is_met: bool | None = period[f"meets_{target}_target"]
    return {True: "met", False: "not met", None: ""}[is_met], is_met
