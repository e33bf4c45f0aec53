"""Days with a change of clocks, a reading in each slot, on a real Trino: as on DuckDB, as the oracle says."""

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from include.run.pipeline import Pipeline
from include.settings import Settings
from tests.engines.profiles import Clock, Site, both_profiles, differences, lake_tables, run_on
from tests.run.steps import days

pytestmark = pytest.mark.stack

SLOT = timedelta(minutes=5)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Pair = tuple[Pipeline, Pipeline]


def site_of(zone: str) -> str:
    return zone.rpartition("/")[2].lower()


@pytest.fixture(scope="module")
def oracle(test_data: Path) -> list[dict[str, Any]]:
    """Each day with all instants at which its slots begin."""
    with (test_data / "oracle_dst_days.csv").open() as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        start = datetime.fromisoformat(row["utc_start"])
        row["slots"] = [start + number * SLOT for number in range(int(row["slots_5min"]))]
        assert row["slots"][-1] + SLOT == datetime.fromisoformat(row["utc_end"])
    return rows


@pytest.fixture(scope="module")
def pair(
    stack: Settings, oracle: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    entries: dict[str, list[dict[str, Any]]] = {row["tz"]: [] for row in oracle}
    for row in sorted(oracle, key=lambda row: row["utc_start"], reverse=True):
        entries[row["tz"]] += [reading(at) for at in reversed(row["slots"])]
    sites = {
        site_of(zone): Site(zone, {"entries": newest_first, "treatments": [], "profile": []})
        for zone, newest_first in entries.items()
    }
    with both_profiles(stack, tmp_path_factory.mktemp("clocks"), sites, Clock(NOW)) as pair:
        first, last = (end(row["local_date"] for row in oracle) for end in (min, max))
        run_on(pair, days(first, last), "clocks")
        yield pair


def reading(at: datetime) -> dict[str, Any]:
    milliseconds = int(at.timestamp() * 1000)
    return {
        "_id": f"clock-{milliseconds}",
        "type": "sgv",
        "sgv": 100 + at.minute,
        "date": milliseconds,
        "dateString": at.isoformat(),
        "device": "clock",
    }


def test_both_profiles_hold_the_same(pair: Pair) -> None:
    embedded, trino = map(lake_tables, pair)
    differing = {name: differences(table, trino[name]) for name, table in embedded.items()}
    assert {name: found for name, found in differing.items() if found} == {}


def test_trino_gives_each_day_its_slots(pair: Pair, oracle: list[dict[str, Any]]) -> None:
    main = pair[1].lakehouse.at("main")
    found = {
        (row["site_id"], row["reading_date"]): row
        for row in main.query("select * from gold.fct_daily_glucose_metrics").to_pylist()
    }
    for row in oracle:
        day = found[site_of(row["tz"]), date.fromisoformat(row["local_date"])]
        assert day["expected_count"] == day["reading_count"] == len(row["slots"]), row
        assert day["coverage_pct"] == 100
    changing = {(site_of(row["tz"]), date.fromisoformat(row["local_date"])) for row in oracle}
    assert {key for key, day in found.items() if day["expected_count"] != 288} == changing


def test_trino_shows_each_reading_in_the_hour_of_a_clock_on_the_wall(
    pair: Pair, oracle: list[dict[str, Any]]
) -> None:
    main = pair[1].lakehouse.at("main")
    found = {
        (row["site_id"], row["reading_date"], row["hour_of_day"]): row["reading_count"]
        for row in main.query("select * from gold.mrt_glucose_readings").to_pylist()
    }
    for row in oracle:
        day = date.fromisoformat(row["local_date"])
        hours = [at.astimezone(ZoneInfo(row["tz"])).hour for at in row["slots"]]
        for hour in range(24):
            assert found.get((site_of(row["tz"]), day, hour), 0) == hours.count(hour), (row["tz"], day, hour)
