"""`lakehouse report` on a lake that a run has filled: its numbers are those that are published."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import SECRET
from tests.cli.homes import Home
from tests.report.read_page import Page

ROUNDED_DOWN = "(floor(10 * coverage_pct) / 10)"  # what is too little
PERIOD = """
select round({column}::numeric, {digits})::text from marts.mrt_glucose_periods
where site_id = 'home' and period_days = {days} and is_current = {is_current}
"""


@pytest.fixture(scope="module")
def page(built_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of the session's lake."""
    out = tmp_path_factory.mktemp("report") / "report.html"
    done = built_home.lakehouse("report", "--out", str(out))
    assert done.code == 0, done.err
    assert str(out) in done.out.replace("\n", "")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    return Page(out.read_text("utf-8"))


def published(home: Home, column: str, digits: int = 0, *, days: int = 14, is_current: bool = True) -> str:
    """A number of the marts, rounded by Postgres."""
    query = PERIOD.format(column=column, digits=digits, days=days, is_current=is_current)
    ((text,),) = home.published(query)
    return str(text)


@pytest.mark.parametrize(
    ("column", "digits", "unit"),
    [
        ("avg_glucose_mg_dl", 0, "mg/dL"),
        ("median_glucose_mg_dl", 0, "mg/dL"),
        ("stddev_glucose_mg_dl", 0, "mg/dL"),
        ("cv_pct", 1, "%"),
        ("time_in_tight_range_pct", 0, "%"),
    ],
)
def test_statistics_are_those_of_the_marts(
    built_home: Home, page: Page, column: str, digits: int, unit: str
) -> None:
    assert page.of("statistic")[column] == f"{published(built_home, column, digits)} {unit}"
    assert float(published(built_home, column, 6)) > 0


def test_shares_and_counts_are_those_of_the_marts(built_home: Home, page: Page) -> None:
    for column, text in page.of("class").items():
        share = float(published(built_home, column, 9))
        small = "0 %" if share == 0 else "<1 %" if share < 1 else None
        assert text == (small or f"{published(built_home, column)} %")
    assert page.of("events") == {
        f"{kind}_event_count": published(built_home, f"{kind}_event_count")
        for kind in ("low", "very_low", "high", "very_high")
    }


def test_hours_are_those_of_the_marts(built_home: Home, page: Page) -> None:
    rows = built_home.published(
        "select left(day_name, 3) || ' ' || lpad(hour_of_day::text, 2, '0'),"
        " round(avg_glucose_mg_dl::numeric)::text from marts.mrt_glucose_hourly_patterns"
    )
    assert {hour: text for hour, text in page.of("hour").items() if text} == dict(rows)
    assert len(rows) > 3 * 24


def test_four_days_are_too_little_for_fourteen_and_that_is_said(built_home: Home, page: Page) -> None:
    coverage = published(built_home, "floor(coverage_pct)")
    reason = f"4 of 14 days hold data, {coverage} % of the expected readings; 70 % are needed"
    assert reason in page.marked["data-value", "shortfall"]
    assert page.of("statistic")["coverage_pct"] == f"{published(built_home, ROUNDED_DOWN, 1)} %"
    assert page.of("statistic")["gmi_pct"] == "\N{EN DASH}"
    assert page.no_numbers == []


def test_it_names_what_it_shows(built_home: Home, page: Page) -> None:
    ((version,),) = built_home.published("select version from ops.publication")
    assert page.marked["data-value", "version"] == version
    ((first, last),) = built_home.published(
        "select to_char(period_start, 'FMDD Mon YYYY'), to_char(period_end, 'FMDD Mon YYYY')"
        " from marts.mrt_glucose_periods where period_days = 14 and is_current"
    )
    assert page.marked["data-value", "dates"] == f"{first} to {last}"
    assert "Europe/Berlin" in page.text
    assert SECRET not in page.html


def test_each_period_has_a_page_of_its_own_below_the_home(lake: Home) -> None:
    for days, name in ((14, "home.html"), (365, "home.365-days.html")):
        done = lake.lakehouse("report", "--site", "home", "--days", str(days))
        assert done.code == 0, done.err
        page = Page((lake.path / "reports" / name).read_text("utf-8"))
        coverage = published(lake, ROUNDED_DOWN, 1, days=days)
        assert page.of("statistic")["coverage_pct"] == f"{coverage} %"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--days", "8"), "there is no period of 8 days: choose one of 7, 14, 30, 90, 180, 365"),
        (("--site", "nobody"), "no site 'nobody' is published; published are: home"),
        (("--site", "../home"), "no site '../home' is published"),
    ],
)
def test_what_cannot_be_reported_is_said(lake: Home, arguments: tuple[str, ...], said: str) -> None:
    done = lake.lakehouse("report", *arguments)
    assert done.code == 2
    assert said in done.sentence


def test_a_place_that_cannot_be_written_is_named(lake: Home, tmp_path: Path) -> None:
    done = lake.lakehouse("report", "--out", str(tmp_path / "no" / "report.html"))
    assert done.code == 1
    assert "no/report.html cannot be written (No such file or directory)" in done.sentence


def test_before_anything_is_published_nothing_is_made(empty: Home) -> None:
    done = empty.lakehouse("report")
    assert (done.code, done.sentence) == (
        2,
        "lakehouse: nothing is published yet: `make run` loads the first days",
    )
    assert not empty.path.exists()


def test_other_commands_do_not_wait_for_the_plotting_library() -> None:
    names = "include.cli.main, include.cli.lake, include.cli.run, include.cli.report"
    code = f"import sys, {names}; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
