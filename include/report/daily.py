"""Figures with one bar a day: insulin, carbohydrates, coverage."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from math import floor
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from include.glucose import SUFFICIENT_PCT
from include.report import colors
from include.report.drawing import Drawing, drawing
from include.report.marts import Row
from include.report.rounding import rounded

WIDTH_INCHES, HEIGHT_INCHES = 3.6, 1.3
FEW_DAYS = 14  # so many have room for their numbers
AT_LEAST = "\N{GREATER-THAN OR EQUAL TO}"


def insulin(treatments: Sequence[Row]) -> Markup:
    """Bolus on basal insulin a day in units, rows of `mrt_treatments_daily`.

    Where the basal is only a lower bound, so is the insulin of the day: all of its bar is hatched.
    """
    days = [row["treatment_date"] for row in treatments]
    basal = [row["basal_units"] or 0.0 for row in treatments]
    bolus = [row["bolus_units"] or 0.0 for row in treatments]
    totals = [row["total_insulin_units"] for row in treatments]
    is_bound = [not row["is_basal_complete"] for row in treatments]
    with _days_drawn("insulin") as drawn:
        axes = drawn.axes
        at = np.arange(len(days))
        hatched: dict[str, Any] = {"hatch": ["//////" if of else "" for of in is_bound], "edgecolor": "white"}
        axes.bar(at, basal, width=0.8, color=colors.BASAL, linewidth=0, **hatched)
        axes.bar(at, bolus, bottom=basal, width=0.8, color=colors.BOLUS, linewidth=0, **hatched)
        _finish(axes, days, totals, "U", is_bound=is_bound)
    return drawn.svg


def carbs(treatments: Sequence[Row]) -> Markup:
    """Carbohydrates a day in grams, rows of `mrt_treatments_daily`."""
    days = [row["treatment_date"] for row in treatments]
    grams = [row["carbs_grams"] for row in treatments]
    with _days_drawn("carbs") as drawn:
        axes = drawn.axes
        axes.bar(np.arange(len(days)), [of or 0.0 for of in grams], width=0.8, color=colors.CARBS)
        _finish(axes, days, grams, "g")
    return drawn.svg


def coverage(overview: Sequence[Row], days: Sequence[date]) -> Markup:
    """Readings on each of these days in percent of those expected, rows of `mrt_glucose_overview`.

    Grey below 70 %. Days before the first reading have no row, and no reading.
    """
    known = {row["reading_date"]: row for row in overview}
    shares = [known[day]["coverage_pct"] if day in known else 0.0 for day in days]
    is_sufficient = [day in known and known[day]["is_sufficient"] for day in days]
    inks = [colors.MIDDLE_HALF if enough else colors.LITTLE_DATA for enough in is_sufficient]
    with _days_drawn("coverage") as drawn:
        axes = drawn.axes
        axes.bar(np.arange(len(days)), [of or 0.0 for of in shares], width=0.8, color=inks)
        axes.axhline(SUFFICIENT_PCT, color=colors.INK, linewidth=0.7, linestyle=(0, (3, 2)))
        _finish(axes, days, shares, "%", highest=100.0)
    return drawn.svg


@contextmanager
def _days_drawn(name: str) -> Iterator[Drawing]:
    with drawing(name, WIDTH_INCHES, HEIGHT_INCHES) as drawn:
        drawn.margins(left=0.32, right=0.05, bottom=0.2, top=0.14)
        yield drawn


def _finish(
    axes: Axes,
    days: Sequence[date],
    values: Sequence[float | None],
    unit: str,
    *,
    highest: float | None = None,
    is_bound: Sequence[bool] | None = None,
) -> None:
    """Axes of days; the numbers on the bars where there is room, lower bounds as such."""
    axes.annotate(unit, (0, 1), (-4, 2), "axes fraction", "offset points", ha="right", fontsize=7)
    top = max([value for value in values if value is not None], default=0.0)
    axes.set_ylim(0, (highest or top or 1.0) * 1.15)
    axes.set_xlim(-0.6, max(len(days), 1) - 0.4)
    axes.locator_params(axis="y", nbins=4)
    shown = range(0, len(days), max(1, len(days) // 7))
    axes.set_xticks(list(shown), [f"{days[n].day} {days[n]:%b}" for n in shown], fontsize=7)
    if len(days) <= FEW_DAYS:
        for at, value in enumerate(values):
            if value is not None:
                # rounded up it would no longer be a lower bound
                text = f"{AT_LEAST}{floor(value)}" if is_bound and is_bound[at] else rounded(value)
                axes.annotate(
                    text, (at, value), (0, 1.5), textcoords="offset points", ha="center", fontsize=6
                )
