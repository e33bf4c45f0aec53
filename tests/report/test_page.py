"""The page: what it shows of rows that are given, in either unit, and with too little data."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from include.report.clock import one_day, slots_of, top_of_days
from include.report.colors import LITTLE_DATA
from include.report.page import render, render_list
from include.report.units import Units
from tests.report import person
from tests.report.read_page import Page

WEEK = "Mean glucose by weekday and hour: the last 90 days"


def page(**changed: Any) -> Page:
    return Page(render(person.marts(**changed)))


def numbers(seen: Page, label: str) -> list[str]:
    """The numbers on the bars of a figure, the only texts of their size."""
    (drawn,) = re.findall(
        rf'<figure role="img" aria-label="{label}[^>]*>(.*?)</figure>', seen.html, re.DOTALL
    )
    return re.findall(r'<text style="font-size: 6px[^>]*>(.*?)</text>', drawn)


def hatched(seen: Page) -> int:
    """How many parts of bars are hatched."""
    return seen.html.count('style="fill: url(#insulin-')


@pytest.fixture(scope="module")
def usual() -> Page:
    """The page of a person of whom nothing is missing."""
    return page()


def test_the_statistics_are_those_of_the_marts(usual: Page) -> None:
    assert usual.of("statistic") == {
        "avg_glucose_mg_dl": "152 mg/dL",
        "median_glucose_mg_dl": "147 mg/dL",
        "gmi_pct": "6.9 %",
        "stddev_glucose_mg_dl": "54 mg/dL",
        "cv_pct": "35.7 %",
        "time_in_tight_range_pct": "43 %",
        "gri": "37.4",
        "coverage_pct": "97.2 %",
    }


def test_the_classes_are_those_of_the_marts_in_whole_percent(usual: Page) -> None:
    assert usual.of("class") == {
        "time_above_250_pct": "6 %",
        "time_181_250_pct": "20 %",
        "time_in_range_pct": "71 %",
        "time_54_69_pct": "3 %",
        "time_below_54_pct": "<1 %",
    }


def test_each_target_has_its_verdict(usual: Page) -> None:
    assert usual.of("verdict") == {
        "time_in_target_range_pct": "met",
        "time_below_target_range_pct": "met",
        "time_below_54_pct": "met",
        "time_above_target_range_pct": "not met",
        "time_above_250_pct": "not met",
    }
    assert "more than 70 %" in usual.text
    assert "at most 36 % met" in " ".join(usual.text.split())


def test_the_period_before_stands_beside_this_one() -> None:
    before = person.period(
        is_current=False, avg_glucose_mg_dl=158.0, time_in_range_pct=68.05, low_event_count=12
    )
    seen = page(before=before)
    assert seen.of("now")["avg_glucose_mg_dl"] == "152 mg/dL"
    assert seen.of("before")["avg_glucose_mg_dl"] == "158 mg/dL"
    assert seen.of("before")["low_event_count"] == "12"
    minus = "\N{MINUS SIGN}"
    assert {column: text for column, text in seen.of("change").items() if text} == {
        "avg_glucose_mg_dl": f"{minus}6 mg/dL",
        "time_in_range_pct": "+3 points",
        "cv_pct": f"{minus}1 points",
    }


def test_mmol_is_shown_with_one_decimal_everywhere() -> None:
    seen = page(site=person.SITE | {"display_units": "mmol/L"})
    assert seen.of("statistic")["avg_glucose_mg_dl"] == "8.4 mmol/L"
    assert seen.of("statistic")["stddev_glucose_mg_dl"] == "3.0 mmol/L"
    assert seen.of("change")["avg_glucose_mg_dl"] == "\N{MINUS SIGN}0.4 mmol/L"
    for values in ("10.1\N{EN DASH}13.9", "3.9\N{EN DASH}10.0", "3.0\N{EN DASH}3.8", ">13.9", "<3.0"):
        assert values in seen.text  # as Battelino 2019 has them
    assert "mg/dL" not in seen.text


def test_a_pregnancy_has_its_own_range() -> None:
    own = {
        "target_set": "pregnancy",
        "target_low_mg_dl": 63.0,
        "target_high_mg_dl": 140.0,
        "time_in_target_range_pct": 55.4,
        "time_below_target_range_pct": 2.2,
        "time_above_target_range_pct": 42.4,
        "time_above_250_target_pct": None,
        "meets_time_above_250_target": None,
        "meets_time_in_range_target": False,
    }
    seen = page(period=person.period(**own))
    assert seen.of("class") == {
        "time_above_target_range_pct": "42 %",
        "time_in_target_range_pct": "55 %",
        "time_below_target_range_pct": "2 %",
    }
    assert seen.of("verdict")["time_in_target_range_pct"] == "not met"
    assert "time_above_250_pct" not in seen.of("verdict")
    assert "no target" in seen.text
    assert "63\N{EN DASH}140" in seen.text


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"day_count": 9, "coverage_pct": 61.2},
            "9 of 14 days hold data, 61 % of the expected readings; 70 % are needed",
        ),
        (
            {"day_count": 1, "coverage_pct": 0.02},
            "1 of 14 days holds data, <1 % of the expected readings; 70 % are needed",
        ),
        (
            {"day_count": 10, "coverage_pct": 69.7},
            "10 of 14 days hold data, 69 % of the expected readings; 70 % are needed",
        ),
    ],
)
def test_too_little_data_is_grey_with_the_reason(changed: dict[str, Any], reason: str) -> None:
    judged = dict.fromkeys((*person.VERDICTS, *person.CHANGES))
    little = person.period(is_sufficient=False, gmi_pct=None, **judged, **changed)
    seen = page(period=little)
    assert reason in seen.marked["data-value", "shortfall"]
    assert {"Time in ranges", "Glucose statistics", "Ambulatory glucose profile", "Events"} <= seen.grey
    assert "low_event_count" in seen.grey
    assert WEEK not in seen.grey
    assert {"gmi_pct", "cv_pct", "avg_glucose_mg_dl"} <= seen.grey
    assert seen.of("statistic")["gmi_pct"] == "\N{EN DASH}"
    assert not any(seen.of("verdict").values())


def test_coverage_just_below_what_is_needed_does_not_read_as_enough() -> None:
    little = person.period(is_sufficient=False, coverage_pct=69.965, gmi_pct=None)
    seen = page(period=little)
    assert seen.of("statistic")["coverage_pct"] == "69.9 %"
    assert seen.of("now")["coverage_pct"] == "69.9 %"
    assert page(period=person.period(coverage_pct=70.04)).of("statistic")["coverage_pct"] == "70.0 %"


def test_nothing_is_grey_when_nothing_is_missing(usual: Page) -> None:
    assert usual.grey == set()


def test_an_hour_of_a_weekday_is_where_it_belongs(usual: Page) -> None:
    hours = usual.of("hour")
    assert len(hours) == 7 * 24
    assert (hours["Mon 00"], hours["Wed 05"], hours["Sun 23"]) == ("61", "108", "274")


def test_an_hour_of_few_readings_has_no_class(usual: Page) -> None:
    first, second, *others = person.hours()
    seen = page(hours=[first | {"reading_count": 4}, second | {"reading_count": 5}, *others])
    assert '<td class="few" data-hour="Mon 00">61<' in seen.html
    assert '<td class="in-range" data-hour="Mon 01">70<' in seen.html
    assert 'class="few"' not in usual.html
    assert "Pale: fewer than five readings" in usual.text


def test_too_little_data_of_90_days_greys_the_week_with_the_reason() -> None:
    little = person.period(90, is_sufficient=False, day_count=20, coverage_pct=21.7)
    seen = page(hours_period=little)
    assert {WEEK, "Mon 00"} <= seen.grey
    assert "Events" not in seen.grey
    assert "20 of 90 days hold data, 21 % of the expected readings; 70 % are needed." in seen.text


def test_a_week_has_no_gmi_and_says_why() -> None:
    seen = page(days=7, period=person.period(7, gmi_pct=None))
    assert seen.of("statistic")["gmi_pct"] == "\N{EN DASH}"
    assert "GMI needs a period of 14 days" in seen.text
    assert seen.grey == {"gmi_pct"}


def test_a_site_without_readings_says_so() -> None:
    nothing = dict.fromkeys(("current", "period", "before"))
    lists = dict.fromkeys(("bins", "overview", "slots", "events", "hours", "treatments", "quality"), ())
    seen = page(**nothing, **lists)
    assert "there is nothing to report" in seen.text
    assert seen.no_numbers == []


ONE = person.slots(1)[:1]
DAY = timedelta(days=1)
BAD = {
    "a period without a reading": {
        "period": person.empty_period(),
        "before": person.empty_period(is_current=False),
        **dict.fromkeys(("bins", "slots", "events", "hours", "treatments", "quality"), ()),
        "overview": person.overview(avg_glucose_mg_dl=None, time_in_range_pct=None, coverage_pct=0.0)[:3],
    },
    "one reading": {
        "period": person.empty_period()
        | dict.fromkeys(person.SHARES, 0.0)
        | {"day_count": 1, "reading_count": 1, "coverage_pct": 0.025, "time_in_range_pct": 100.0}
        | {"avg_glucose_mg_dl": 120.0, "median_glucose_mg_dl": 120.0},
        "bins": [person.bins(is_sufficient=False, p05_mg_dl=120.0, p95_mg_dl=120.0)[40]],
        "slots": ONE,
        "overview": person.overview(is_sufficient=False)[-1:],
        "hours": person.hours()[:1],
    },
    "a hole of days": {
        "slots": person.slots()[:2000],
        "overview": person.overview()[:7],
        "bins": [*person.bins()[:20], *person.bins(is_sufficient=False)[40:60], *person.bins()[70:]],
    },
    "all readings LOW": {
        "slots": person.slots(glucose_mg_dl=39.0),
        "bins": person.bins(**dict.fromkeys((f"p{n}_mg_dl" for n in ("05", "25", "50", "75", "95")), 39.0)),
        "period": person.period(stddev_glucose_mg_dl=0.0, cv_pct=0.0, time_below_54_pct=100.0),
    },
    "600 mg/dL for a day": {
        "slots": person.slots(glucose_mg_dl=600.0),
        "bins": person.bins(p95_mg_dl=600.0),
    },
    "no treatments at all": {"treatments": ()},
    "no coverage known": {"overview": person.overview(coverage_pct=None, is_sufficient=False)},
}


@pytest.mark.parametrize("case", BAD)
def test_whatever_is_missing_no_number_is_made_up(case: str) -> None:
    seen = page(site=person.SITE | {"display_units": "mmol/L"}, **BAD[case])
    assert seen.no_numbers == []


def test_what_is_higher_than_usual_is_inside_the_figures() -> None:
    assert top_of_days(person.slots(glucose_mg_dl=600.0)) > 600
    assert top_of_days(person.slots(glucose_mg_dl=100.0)) == 350


def test_the_day_of_a_move_is_drawn_whole() -> None:
    """30 April starts in London and ends at midnight in New York: 29 hours."""
    start, zone = datetime(2024, 4, 29, 23, tzinfo=UTC), ZoneInfo("Europe/London")
    slots = [
        {
            "slot_start": at,
            "reading_timestamp_local": at.astimezone(zone).replace(tzinfo=None),
            "reading_date": date(2024, 4, 30),
            "glucose_mg_dl": 120.0,
        }
        for at in (start + timedelta(minutes=5 * slot) for slot in range(29 * 12))
    ]
    assert slots_of(slots, date(2024, 4, 30)) == slots
    assert slots_of(slots, date(2024, 5, 1)) == []
    lines = one_day("moved", slots, person.period(), Units(), 350.0).count("stroke-width: 0.9")
    assert lines == 2  # the last five hours lie on the first


def test_the_header_names_the_zones_of_the_period(usual: Page) -> None:
    moved = {"zones_before": [{"zone": "Europe/London"}], "site": person.SITE | {"zone": "America/New_York"}}
    seen = page(**moved)
    assert "Times of the zone of each day: Europe/London, then America/New_York." in seen.text
    assert "Data through 16 Oct 2024, 05:30." in seen.text
    assert "Times of Europe/Berlin." in usual.text


@pytest.mark.parametrize("days", [30, 90, 365])
def test_long_periods_are_drawn(days: int) -> None:
    seen = page(days=days)
    assert seen.marked["data-value", "dates"].endswith("15 Oct 2024")
    assert seen.html.count('aria-label="Glucose on') == 14
    assert len(seen.html) < 5_000_000


def test_a_basal_that_is_a_lower_bound_is_hatched_and_said(usual: Page) -> None:
    seen = page(treatments=[*person.treatments()[:-1], person.treatments(1, is_basal_complete=False)[0]])
    assert "hatched, ≥: at least so much" in seen.text
    assert numbers(seen, "Insulin a day") == [*["40"] * 13, "≥39"]
    assert numbers(usual, "Insulin a day") == ["40"] * 14
    assert hatched(seen) == 2
    assert hatched(usual) == 0
    assert "hatched" not in usual.text
    assert "≥" not in usual.html


def test_insulin_without_a_known_basal_is_hatched_as_a_whole() -> None:
    unknown = {"basal_units": 0.0, "bolus_units": 18.4, "total_insulin_units": 18.4}
    seen = page(treatments=person.treatments(is_basal_complete=False, **unknown))
    assert numbers(seen, "Insulin a day") == ["≥18"] * 14
    assert hatched(seen) == 28


def test_days_before_the_first_reading_have_no_coverage_and_it_is_said(usual: Page) -> None:
    of_ten = {"overview": person.overview(10), "slots": person.slots(10)}
    seen = page(**of_ten, quality=person.quality(10, gap_count=0))
    assert numbers(seen, "Readings a day") == [*["0"] * 4, *["97"] * 10]
    assert seen.html.count(f"fill: {LITTLE_DATA}") - usual.html.count(f"fill: {LITTLE_DATA}") == 4
    assert "No readings before 6 Oct 2024." in seen.text
    assert "No gap was longer" not in seen.text


def test_that_there_was_no_gap_is_said_of_a_whole_period(usual: Page) -> None:
    assert "No gap was longer than 30 minutes." in page(quality=person.quality(gap_count=0)).text
    assert "No gap was longer" not in usual.text
    assert "No readings before" not in usual.text


def test_the_same_marts_give_the_same_bytes(usual: Page) -> None:
    assert render(person.marts()) == usual.html


def test_the_page_stands_alone_and_runs_nothing(usual: Page) -> None:
    assert not usual.all_tags & {"script", "link", "img", "iframe", "object", "embed", "form", "image"}
    outside = usual.html.replace("http://www.w3.org/", "")
    assert "http:" not in outside
    assert "https:" not in outside
    assert "data:" not in outside
    assert len(usual.ids) == len(set(usual.ids)) > 50


def test_what_comes_from_elsewhere_is_escaped() -> None:
    hostile = "<script>alert(1)</script>"
    seen = page(version=hostile, site=person.SITE | {"zone": "Europe/Berlin", "site_id": hostile})
    assert "script" not in seen.all_tags
    assert seen.marked["data-value", "version"] == hostile
    assert "script" not in Page(render_list([(hostile, 14)])).all_tags


def test_a_simulated_person_is_called_that(usual: Page) -> None:
    assert "simulated person" in page(site=person.SITE | {"is_demo": True}).text
    assert "simulated person" not in usual.text


def test_it_is_no_medical_device_and_gmi_no_a1c(usual: Page) -> None:
    text = usual.text
    assert "Not a medical device" in text
    assert text.count("A1c") == 1
    assert "It is no laboratory A1c" in text
