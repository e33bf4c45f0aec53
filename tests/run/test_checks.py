"""The checks of a site at their limits, on tables made by hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from include.errors import InputError
from include.run.checks import check_sites
from include.schemas.checks import OF_A_SITE, CheckResult

NOW = datetime(2024, 10, 20, 12, tzinfo=UTC)
TODAY = date(2024, 10, 20)
TABLES = """
set TimeZone = 'UTC';
create schema silver; create schema gold; create schema marts; create schema raw;
create table gold.dim_sites (site_id text, valid_from date);
create table silver.int_local_days (site_id text, reading_date date, expected_count bigint,
    is_ended boolean);
create table marts.mrt_data_quality (site_id text, reading_date date, kept_count bigint,
    duplicate_count bigint, excluded_count bigint, expected_count bigint, coverage_pct double,
    gap_count bigint, longest_gap_minutes double);
create table gold.fct_daily_glucose_metrics (site_id text, reading_date date,
    avg_glucose_mg_dl double, time_below_range_pct double);
create table marts.mrt_current_glucose (site_id text, reading_timestamp timestamptz,
    data_through timestamptz);
create table raw.ingest_outcomes (site_id text, collection text, status text, kind text,
    fetched_at timestamptz);
"""


@dataclass
class Lake:
    """The tables that checks read."""

    connection: duckdb.DuckDBPyConnection

    def query(self, sql: str) -> pa.Table:
        return self.connection.execute(sql).to_arrow_table()

    def add(self, table: str, *values: Any) -> None:
        marks = ", ".join("?" for _ in values)
        self.connection.execute(f"insert into {table} values ({marks})", values)  # noqa: S608

    def site(self, site_id: str = "home", *, read: timedelta = timedelta(), silent: int = 0) -> None:
        """Read `read` ago; its last reading `silent` minutes before the end of what was read."""
        self.add("gold.dim_sites", site_id, date.min)
        self.add("gold.dim_sites", site_id, TODAY)  # it moved
        for collection, age in (("entries", read), ("treatments", timedelta())):
            for hours in (0, 5):
                at = NOW - age - timedelta(hours=hours)
                self.add("raw.ingest_outcomes", site_id, collection, "merged", "window", at)
        long_ago = NOW - timedelta(days=9)  # what cannot be read of profiles leaves no day out
        self.add("raw.ingest_outcomes", site_id, "profile", "merged", "window", long_ago)
        self.add("raw.ingest_outcomes", site_id, "entries", "failed", "window", NOW)
        self.add("raw.ingest_outcomes", site_id, "entries", "merged", "look_up", NOW)
        last = NOW - timedelta(minutes=silent)
        self.add("marts.mrt_current_glucose", site_id, last, NOW)

    def day(
        self,
        ago: int,
        readings: int = 288,
        *,
        site_id: str = "home",
        expected: int = 288,
        gap: float | None = None,
        excluded: int = 0,
        duplicates: int = 0,
        mean: float = 120.0,
        lows: float = 0.0,
    ) -> None:
        """A local day so many days before today; today has not ended."""
        day = TODAY - timedelta(days=ago)
        self.add("silver.int_local_days", site_id, day, expected, ago > 0)
        coverage = 100 * readings / expected if expected else None
        counts = (readings, duplicates, excluded, expected, coverage, int(gap is not None), gap)
        self.add("marts.mrt_data_quality", site_id, day, *counts)
        if readings:
            self.add("gold.fct_daily_glucose_metrics", site_id, day, mean, lows)

    def checked(self, site_id: str = "home") -> dict[str, CheckResult]:
        found = [result for result in check_sites(self, NOW, None) if result.site_id == site_id]
        assert [result.check for result in found] == list(OF_A_SITE)
        return {result.check.name: result for result in found}


@pytest.fixture
def lake() -> Iterator[Lake]:
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        yield Lake(connection)


def test_a_site_as_it_should_be(lake: Lake) -> None:
    lake.site()
    for ago in range(20):
        lake.day(ago)
    found = lake.checked()
    assert {result.outcome for result in found.values()} == {"passed"}
    measured = {name: result.measured for name, result in found.items()}
    assert measured == {
        "source_read": 0,
        "last_reading": 0,
        "readings_a_day": 288,
        "gaps": 0,
        "share_of_lows": 0,
        "mean_glucose": 120,
        "plausible_values": 100,
    }
    assert found["mean_glucose"].about == "2024-10-06 to 2024-10-19"


@pytest.mark.parametrize(
    ("check", "met", "missed"),
    [
        ("readings_a_day", {"readings": 200, "expected": 300}, {"readings": 199, "expected": 300}),
        ("readings_a_day", {"readings": 70, "expected": 100}, {"readings": 69, "expected": 100}),
        ("gaps", {"gap": None}, {"gap": 25.0}),  # the part in the day of one over midnight
        ("share_of_lows", {"lows": 29.9}, {"lows": 30.0}),
        ("mean_glucose", {"mean": 80.0}, {"mean": 79.9}),
        ("mean_glucose", {"mean": 250.0}, {"mean": 250.1}),
        ("plausible_values", {"readings": 200, "duplicates": 97, "excluded": 3}, {"excluded": 3}),
    ],
)
def test_limits(lake: Lake, check: str, met: dict[str, Any], missed: dict[str, Any]) -> None:
    for site_id, facts in (("met", met), ("missed", missed)):
        lake.site(site_id)
        lake.day(1, site_id=site_id, **facts)
    assert lake.checked("met")[check].outcome == "passed"
    found = lake.checked("missed")
    assert {name for name, result in found.items() if result.outcome == "failed"} == {check}
    said = str(found[check])
    assert said.startswith(f"site missed, {check}: ")
    assert "2024-10-19" in said
    assert found[check].check.limit in said
    assert f"for {found[check].check.concerns}: " in said


def test_shares_weigh_days_by_their_readings(lake: Lake) -> None:
    lake.site()
    lake.day(1, 100, mean=260.0, lows=100.0)
    lake.day(2, 200, mean=110.0, lows=1.0)
    found = lake.checked()
    assert found["mean_glucose"].measured == pytest.approx(160)
    assert found["share_of_lows"].measured == pytest.approx(34)


@pytest.mark.parametrize(
    ("check", "days"), [("readings_a_day", 3), ("gaps", 3), ("mean_glucose", 14), ("plausible_values", 14)]
)
def test_each_check_becomes_clean_again(lake: Lake, check: str, days: int) -> None:
    """A bad day counts as one of the last ended days, and then no longer; the open day never does."""
    wrong: dict[str, Any] = {
        "readings_a_day": {"readings": 10},
        "gaps": {"gap": 100.0},
        "mean_glucose": {"mean": 10_000.0},
        "plausible_values": {"excluded": 100},
    }[check]
    for site_id, bad in (("open", 0), ("last", days), ("past", days + 1)):
        lake.site(site_id)
        for ago in range(20):
            lake.day(ago, site_id=site_id, **(wrong if ago == bad else {}))
    outcomes = {site_id: lake.checked(site_id)[check].outcome for site_id in ("open", "last", "past")}
    assert outcomes == {"open": "passed", "last": "failed", "past": "passed"}


def test_a_site_that_is_configured_no_more_is_not_checked(lake: Lake) -> None:
    for site_id in ("home", "gone"):
        lake.site(site_id)
        lake.day(1, site_id=site_id)
    assert {result.site_id for result in check_sites(lake, NOW, {"home"})} == {"home"}
    assert {result.site_id for result in check_sites(lake, NOW, None)} == {"home", "gone"}


def test_ages(lake: Lake) -> None:
    """Since the site's slowest collection was read whole; readings against what was read, not the clock."""
    lake.site("fresh", read=timedelta(hours=2), silent=60)
    lake.site("old", read=timedelta(hours=2, minutes=1), silent=61)
    fresh, old = lake.checked("fresh"), lake.checked("old")
    assert (fresh["source_read"].measured, fresh["last_reading"].measured) == (120, 60)
    assert {fresh[name].outcome for name in ("source_read", "last_reading")} == {"passed"}
    assert (old["source_read"].measured, old["last_reading"].measured) == (121, 61)
    assert {old[name].outcome for name in ("source_read", "last_reading")} == {"failed"}


def test_a_site_without_data_is_not_measured(lake: Lake) -> None:
    lake.add("gold.dim_sites", "new", date.min)
    lake.site("empty")
    lake.day(1, 0, site_id="empty", expected=0)
    new, empty = lake.checked("new"), lake.checked("empty")
    assert {result.outcome for result in new.values()} == {"not_measured"}
    assert {name for name, result in empty.items() if result.outcome == "not_measured"} == {
        "readings_a_day",
        "gaps",
        "share_of_lows",
        "mean_glucose",
        "plausible_values",
    }


def test_a_site_that_never_had_a_reading_is_told(lake: Lake) -> None:
    lake.site("meter only")
    lake.connection.execute("delete from marts.mrt_current_glucose")
    found = lake.checked("meter only")
    assert found["source_read"].outcome == "passed"
    assert found["readings_a_day"].outcome == "failed"
    assert "it never had a sensor's reading" in str(found["readings_a_day"])
    assert {name for name, result in found.items() if result.outcome == "not_measured"} == {
        "last_reading",
        "gaps",
        "share_of_lows",
        "mean_glucose",
        "plausible_values",
    }


def test_a_lake_that_cannot_be_asked_stops_nothing() -> None:
    class Older:
        def query(self, sql: str) -> pa.Table:
            raise InputError(f"{sql.split()[0]} what? there is no marts.mrt_data_quality")

    found = check_sites(Older(), NOW, None)
    assert [result.check for result in found] == list(OF_A_SITE)
    assert {(result.outcome, result.site_id) for result in found} == {("not_measured", None)}
    assert str(found[0]) == "source_read: not measured (select what? there is no marts.mrt_data_quality)"
