"""The curves of the page lie where the marts have them, in either unit."""

import pytest

from include.report import colors
from include.report.page import render
from tests.report import person
from tests.report.drawn import Drawn, Points, farthest


def top_of(values: list[float]) -> float:
    return max(350.0, *(1.03 * value for value in values))


def curve(level: str) -> list[tuple[float, float]]:
    """A percentile at the middle of each quarter of an hour."""
    return [(row["bin_start_minute"] + 7.5, row[f"p{level}_mg_dl"]) for row in person.bins()]


def heights(points: list[tuple[float, float]], top: float) -> Points:
    return [(minute, value / top) for minute, value in points]


@pytest.mark.parametrize("units", ["mg/dL", "mmol/L"])
@pytest.mark.parametrize("name", ["profile", "profile-narrow"])
def test_the_profile_is_that_of_the_marts(units: str, name: str) -> None:
    drawn = Drawn(render(person.marts(site=person.SITE | {"display_units": units})), name)
    (median,) = drawn.lines(2)
    assert (median[0][0], median[-1][0]) == pytest.approx((0, 1440))
    assert farthest(median, heights(curve("50"), 350)) < 1e-4
    for color, levels in ((colors.OUTER, ("05", "95")), (colors.MIDDLE_HALF, ("25", "75"))):
        (band,) = drawn.areas(color)
        corners = heights([*curve(levels[0]), *curve(levels[1])], 350)
        nearest = [
            min(abs(minute - x) / 1440 + abs(height - y) for x, y in band) for minute, height in corners
        ]
        assert max(nearest) < 1e-4
    ends = [line[0][1] for line in drawn.lines(1.3)]
    assert sorted(ends) == pytest.approx([70 / 350, 180 / 350], abs=1e-4)


def test_bins_of_few_readings_and_of_none_break_the_profile() -> None:
    bins = person.bins()
    few = [row | {"is_sufficient": False} for row in bins[40:44]]
    drawn = Drawn(render(person.marts(bins=[*bins[:20], *bins[30:40], *few, *bins[44:]])), "profile")
    spans = [(line[0][0], line[-1][0]) for line in drawn.lines(2)]
    assert [round(minute) for span in spans for minute in span] == [0, 300, 450, 600, 600, 660, 660, 1440]


@pytest.mark.parametrize("glucose", [None, 600.0])
def test_each_day_is_that_of_the_marts(glucose: float | None) -> None:
    slots = person.slots(glucose_mg_dl=glucose)
    html = render(person.marts(slots=slots))
    top = top_of([slot["glucose_mg_dl"] for slot in slots])
    for number, day in enumerate(sorted({slot["reading_date"] for slot in slots})):
        (line,) = Drawn(html, f"day-{number}").lines(0.9)
        readings = [
            (
                60.0 * slot["reading_timestamp_local"].hour + slot["reading_timestamp_local"].minute,
                slot["glucose_mg_dl"],
            )
            for slot in slots
            if slot["reading_date"] == day
        ]
        assert len(readings) == 288
        assert farthest(line, heights(readings, top)) < 1e-4
