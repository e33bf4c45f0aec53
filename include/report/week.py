"""Mean glucose by weekday and hour, as a table whose cells carry the colour of their class."""

from collections.abc import Sequence
from dataclasses import dataclass

from include.glucose import FEWEST_OF_A_BIN, HIGH_MG_DL, LOW_MG_DL, VERY_HIGH_MG_DL, VERY_LOW_MG_DL
from include.report.marts import Row
from include.report.units import Units

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = [f"{hour:02d}" for hour in range(24)]


@dataclass(frozen=True)
class Cell:
    """One hour of one weekday: its mean as text, empty without readings, and its class as a style.

    The mean of a few readings has no class.
    """

    text: str = ""
    style: str = "nothing"


def week(hours: Sequence[Row], units: Units) -> list[list[Cell]]:
    """Seven weekdays, Monday first, of 24 hours each, from rows of `mrt_glucose_hourly_patterns`."""
    cells = [[Cell()] * len(HOURS) for _ in WEEKDAYS]
    for row in hours:
        mean = row["avg_glucose_mg_dl"]
        style = _class_of(mean) if row["reading_count"] >= FEWEST_OF_A_BIN else "few"
        cells[row["day_of_week"] - 1][row["hour_of_day"]] = Cell(units.text(mean), style)
    return cells


def _class_of(glucose_mg_dl: float) -> str:
    """The class of the consensus, as for single readings."""
    if glucose_mg_dl < VERY_LOW_MG_DL:
        return "very-low"
    if glucose_mg_dl < LOW_MG_DL:
        return "low"
    if glucose_mg_dl <= HIGH_MG_DL:
        return "in-range"
    return "high" if glucose_mg_dl <= VERY_HIGH_MG_DL else "very-high"
