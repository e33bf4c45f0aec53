"""Figures over the hours of a day: the ambulatory glucose profile, and single days."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from include.glucose import VERY_HIGH_MG_DL, VERY_LOW_MG_DL
from include.report import colors
from include.report.drawing import drawing
from include.report.marts import Row
from include.report.units import Units
from include.report.wording import DAY_MINUTES

BIN_MINUTES = 15
LONGEST_STEP = timedelta(minutes=15)  # a longer one between two readings is a gap: no line across it
LOWEST_TOP_MG_DL = 350.0  # as AGP reports have it; higher values raise it


def profile(name: str, bins: Sequence[Row], period: Row, units: Units, width_inches: float) -> Markup:
    """The ambulatory glucose profile: median, middle half and 5 to 95 % of the readings by time of day.

    `bins` are rows of `mrt_glucose_agp`; those of too few readings are grey, those of none are left open.
    """
    with drawing(name, width_inches, 2.45) as drawn:
        axes = drawn.axes
        drawn.margins(left=0.42, right=0.42, bottom=0.25, top=0.12)
        top = _top(row["p95_mg_dl"] for row in bins)
        _day_axis(axes, 3 if width_inches > 5 else 6)
        _glucose_axis(axes, period, units, top)
        for is_sufficient, run in _runs(bins):
            minutes = _minutes(run)
            p05, p25, p50, p75, p95 = (
                np.array([units.of(row[f"p{level}_mg_dl"]) for row in (run[0], *run, run[-1])])
                for level in ("05", "25", "50", "75", "95")
            )
            outer, middle, line = (
                (colors.OUTER, colors.MIDDLE_HALF, colors.MEDIAN)
                if is_sufficient
                else ("#eeeeee", "#dddddd", colors.LITTLE_DATA)
            )
            axes.fill_between(minutes, p05, p95, color=outer, linewidth=0, zorder=1)
            axes.fill_between(minutes, p25, p75, color=middle, linewidth=0, zorder=2)
            axes.plot(minutes, p50, color=line, linewidth=2, zorder=3)
            if is_sufficient:
                _name_levels(axes, minutes, (p05, p25, p50, p75, p95), units.of(top))
    return drawn.svg


def one_day(name: str, slots: Sequence[Row], period: Row, units: Units, top_mg_dl: float) -> Markup:
    """The readings of one local day, rows of `mrt_glucose_recent`; what is out of range is filled."""
    low, high = units.of(period["target_low_mg_dl"]), units.of(period["target_high_mg_dl"])
    with drawing(name, 1.3, 0.75) as drawn:
        axes = drawn.axes
        drawn.margins(left=0.02, right=0.02, bottom=0.02, top=0.02)
        axes.set(xlim=(0, DAY_MINUTES), ylim=(0, units.of(top_mg_dl)), xticks=(), yticks=())
        axes.axhspan(low, high, color="#e3f2e3", linewidth=0, zorder=0)
        axes.axvline(DAY_MINUTES / 2, color="#cccccc", linewidth=0.5, zorder=0)
        for line in _lines(slots):
            minutes = np.array([minute for minute, _ in line])
            values = np.array([units.of(value) for _, value in line])
            axes.fill_between(
                minutes, high, values, where=values > high, interpolate=True, color=colors.HIGH, linewidth=0
            )
            axes.fill_between(
                minutes, low, values, where=values < low, interpolate=True, color=colors.LOW, linewidth=0
            )
            axes.plot(minutes, values, color=colors.INK, linewidth=0.9, solid_capstyle="round")
    return drawn.svg


def top_of_days(slots: Iterable[Row]) -> float:
    """The upper end in mg/dL of the axes of single days, the same for all of them."""
    return _top(row["glucose_mg_dl"] for row in slots)


def slots_of(slots: Sequence[Row], of: date) -> list[Row]:
    """Those of one local day. On the day of a move it is not the date on the wall in all of them."""
    return [slot for slot in slots if slot["reading_date"] == of]


def _top(values: Iterable[float]) -> float:
    return max([LOWEST_TOP_MG_DL, *(value * 1.03 for value in values)])


def _day_axis(axes: Axes, every_hours: int) -> None:
    hours = range(0, 25, every_hours)
    axes.set_xlim(0, DAY_MINUTES)
    axes.set_xticks([hour * 60 for hour in hours], [f"{hour:02d}:00" for hour in hours])
    for hour in hours:
        axes.axvline(hour * 60, color="#e5e5e5", linewidth=0.5, zorder=0)


def _glucose_axis(axes: Axes, period: Row, units: Units, top_mg_dl: float) -> None:
    """Lines at the target's ends and, thin, at very low and very high."""
    low, high = period["target_low_mg_dl"], period["target_high_mg_dl"]
    marks = sorted({VERY_LOW_MG_DL, low, high, VERY_HIGH_MG_DL})
    axes.set_ylim(0, units.of(top_mg_dl))
    axes.set_yticks([units.of(mark) for mark in (0, *marks, 350)], [units.text(m) for m in (0, *marks, 350)])
    axes.tick_params(axis="y", labelsize=6.5)  # so that 54 and 70 stand clear of each other
    axes.set_ylabel(units.name, labelpad=1)
    axes.axhspan(units.of(low), units.of(high), color="#eef7ee", linewidth=0, zorder=0)
    for mark in marks:
        is_target = mark in (low, high)
        color, width = (colors.IN_RANGE, 1.3) if is_target else ("#999999", 0.5)
        axes.axhline(units.of(mark), color=color, linewidth=width, zorder=2.5)


def _runs(bins: Sequence[Row]) -> Iterator[tuple[bool, list[Row]]]:
    """Bins that follow each other and are alike in having enough readings."""
    for (_, is_sufficient), run in groupby(
        enumerate(bins),
        key=lambda of: (of[1]["bin_start_minute"] - of[0] * BIN_MINUTES, bool(of[1]["is_sufficient"])),
    ):
        yield is_sufficient, [row for _, row in run]


def _minutes(run: Sequence[Row]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The middles of the bins, and both ends of the run."""
    starts = [row["bin_start_minute"] for row in run]
    middles = [start + BIN_MINUTES / 2 for start in starts]
    return np.array([starts[0], *middles, starts[-1] + BIN_MINUTES])


def _name_levels(axes: Axes, minutes: Any, levels: Sequence[Any], top: float) -> None:
    """The percentiles' names at the right edge, where the profile reaches it, one clear of the other."""
    if minutes[-1] != DAY_MINUTES:
        return
    free = 0.0
    for text, values in zip(("5 %", "25 %", "50 %", "75 %", "95 %"), levels, strict=True):
        at = max(float(values[-1]), free)
        axes.annotate(text, (DAY_MINUTES, at), (3, 0), textcoords="offset points", va="center", fontsize=6.5)
        free = at + 0.045 * top


def _lines(slots: Sequence[Row]) -> Iterator[list[tuple[float, float]]]:
    """Readings without a gap between them, as minute of the day and mg/dL; one alone is a short line.

    On a day that has some hours twice, by daylight saving time or a move, the time of day goes back: a line
    ends there.
    """
    line: list[tuple[float, float]] = []
    before: Row | None = None
    for slot in slots:
        wall = slot["reading_timestamp_local"]
        minute = wall.hour * 60 + wall.minute + wall.second / 60
        if before is not None:
            is_gap = slot["slot_start"] - before["slot_start"] > LONGEST_STEP
            if is_gap or minute < line[-1][0]:
                yield _visible(line)
                line = []
        line.append((minute, slot["glucose_mg_dl"]))
        before = slot
    if line:
        yield _visible(line)


def _visible(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
    ((minute, value), *more) = line
    return line if more else [(minute - 2.5, value), (minute + 2.5, value)]
