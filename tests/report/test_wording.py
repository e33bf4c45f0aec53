"""Numbers and units as people read them."""

import pytest

from include.report.rounding import rounded
from include.report.units import Units
from include.report.wording import duration, percent, points, time_a_day

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("share_pct", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.0, "0 %"),
        (0.001, "<1 %"),
        (0.999, "<1 %"),
        (1.0, "1 %"),
        (69.6, "70 %"),
        (99.0, "99 %"),
        (99.7, ">99 %"),
        (100.0, "100 %"),
    ],
)
def test_shares_are_whole_and_what_is_something_is_not_nothing(share_pct: float | None, text: str) -> None:
    assert percent(share_pct) == text


def test_halves_go_away_from_zero() -> None:
    assert [rounded(of) for of in (144.5, 145.5, -0.5, -0.4)] == ["145", "146", "-1", "0"]
    assert [rounded(of, 1) for of in (0.25, 0.35, 1e-9, 600.0)] == ["0.3", "0.4", "0.0", "600.0"]


def test_a_share_is_a_time_of_the_day() -> None:
    assert time_a_day(70.0) == "16 h 48 min"
    assert time_a_day(100.0) == "24 h 0 min"
    assert time_a_day(1.0) == "14 min"
    assert time_a_day(None) == duration(None) == "\N{EN DASH}"


def test_points_have_a_sign_unless_they_are_none() -> None:
    assert [points(of) for of in (3.2, -3.2, 0.4, -0.4)] == ["+3", f"{MINUS}3", "0", "0"]


def test_glucose_in_either_unit() -> None:
    mg_dl, mmol = Units("mg/dL"), Units("mmol/L")
    assert (mg_dl.text(151.6), mmol.text(151.6)) == ("152", "8.4")
    assert (mg_dl.change(-0.4), mmol.change(-0.4)) == ("0", "0.0")
    assert (mg_dl.change(9.0), mmol.change(-9.0)) == ("+9", f"{MINUS}0.5")
    assert mmol.of(18.01559) == 1.0
