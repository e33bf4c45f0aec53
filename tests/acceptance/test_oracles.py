"""Real people's glucose, served over HTTP and published to Postgres, against what other tools computed."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.rows import dict_row

from include.serving.postgres import reader
from tests.acceptance.served_lake import served_lake
from tests.cli.homes import Home
from tests.dbt.glucose_lake import Reading, Row, by_key, cgm_readings, instant, oracle
from tests.dbt.marts_by_hand import statistics
from tests.dbt.test_events import KINDS
from tests.dbt.test_glucose_marts import STATISTICS
from tests.dbt.test_traces import COLUMNS, TOUCHED, slot_of
from tests.nightscout.recorded_site import RecordedSite

FIRST_DAY, LAST_DAY = "2015-02-24", "2015-06-19"
WHOLE_RECORD = 180
"""Days of the period that ends with the last day and holds all of them."""
BEYOND: dict[str, Callable[[float], bool]] = {
    "low": lambda glucose: glucose < 70,
    "very_low": lambda glucose: glucose < 54,
    "high": lambda glucose: glucose > 180,
    "very_high": lambda glucose: glucose > 250,
}
PERIOD_ORACLE = {
    "avg": "mean",
    "median": "median",
    "min": "min",
    "max": "max",
    "stddev": "sd_sample",
    "cv": "cv_pct",
    "below_54": "tbr_lt54",
    "from_54": "tbr_54_69",
    "below_70": "tbr_lt70",
    "in_range": "tir_70_180",
    "tight": "titr_70_140",
    "above_180": "tar_gt180",
    "to_250": "tar_181_250",
    "above_250": "tar_gt250",
    "p05": "p05",
    "p25": "p25",
    "p75": "p75",
    "p95": "p95",
    "lbgi": "lbgi",
    "hbgi": "hbgi",
    "gri": "gri",
    "j_index": "j_index",
}


@pytest.fixture(scope="module")
def home(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The lake after one run over all traces, each a site."""
    sites = traces(test_data)
    about = {site_id: {"zone": "Etc/UTC"} for site_id in sites}
    with served_lake(tmp_path_factory.mktemp("oracles"), sites, about, FIRST_DAY, LAST_DAY) as home:
        yield home


def traces(test_data: Path) -> dict[str, RecordedSite]:
    sites: dict[str, RecordedSite] = {}
    for position, each in enumerate(cgm_readings(test_data)):
        document = {
            "_id": f"{position:024x}",
            "type": "sgv",
            "sgv": each.glucose_mg_dl,
            "date": int(each.at.timestamp() * 1000),
            "dateString": each.at.isoformat(),
            "direction": "Flat",
            "device": "Dexcom G4",
        }
        sites.setdefault(each.site_id, RecordedSite()).entries.append(document)
    return sites


@pytest.fixture(scope="module")
def published(home: Home) -> Callable[[str], list[Row]]:
    """Rows of a query, as a reader of Postgres sees them."""

    def rows(query: str) -> list[Row]:
        with reader(home.as_settings()).transaction() as connection:
            cursor: psycopg.Cursor[Row] = connection.cursor(row_factory=dict_row)
            return cursor.execute(query).fetchall()

    return rows


@pytest.fixture(scope="module")
def facts(home: Home) -> dict[str, list[Reading]]:
    """The readings on main, in order, by site."""
    query = (
        "select site_id, cast(reading_timestamp as varchar) as at, glucose_mg_dl"
        " from silver.fct_glucose_readings order by site_id, reading_timestamp"
    )
    sites: dict[str, list[Reading]] = {}
    for row in home.rows(query):
        reading = Reading(row["site_id"], instant(row["at"]), row["glucose_mg_dl"])
        sites.setdefault(reading.subject, []).append(reading)
    return sites


@pytest.fixture(scope="module")
def dropped(test_data: Path, facts: dict[str, list[Reading]]) -> list[Reading]:
    """What the slot rule removes of the traces: all but the last of each slot."""
    kept = {(each.subject, each.at) for readings in facts.values() for each in readings}
    read = cgm_readings(test_data)
    last = {(each.site_id, slot_of(each)): each for each in sorted(read, key=lambda each: each.at)}
    assert {(each.site_id, each.at) for each in last.values()} == kept
    return [each for each in read if last[each.site_id, slot_of(each)] != each]


def site_of(row: dict[str, str]) -> str:
    return row["id"].lower().replace(" ", "_")


def assert_close(found: Row, wanted: dict[str, Any], key: object) -> None:
    """To 1e-6, which is what the oracles are rounded to; an empty oracle is null."""
    for name, value in wanted.items():
        expected = None if value in ("", None) else pytest.approx(float(value), abs=1e-6)
        assert found[name] == expected, (key, name)


def test_the_slot_rule_removes_14_of_13866_readings(
    test_data: Path, facts: dict[str, list[Reading]], dropped: list[Reading]
) -> None:
    assert len(cgm_readings(test_data)) == 13_866
    assert sum(map(len, facts.values())) == 13_852
    assert len(dropped) == 14
    assert {(each.site_id, each.at.date()) for each in dropped} == TOUCHED


def test_days(
    published: Callable[[str], list[Row]], test_data: Path, facts: dict[str, list[Reading]]
) -> None:
    days = by_key(published("select * from marts.fct_daily_glucose_metrics"), "site_id", "reading_date")
    of_oracle = {
        (site_of(row), date.fromisoformat(row["local_date"])): row for row in oracle(test_data, "daily_iglu5")
    }
    assert len(of_oracle) == 60
    assert days.keys() == of_oracle.keys()
    for key, row in of_oracle.items():
        if key in TOUCHED:
            values = [each.glucose_mg_dl for each in facts[key[0]] if each.at.date() == key[1]]
            assert days[key]["reading_count"] == len(values)
            by_hand = statistics(values)
            assert_close(days[key], {ours: by_hand[theirs] for ours, theirs in STATISTICS.items()}, key)
        else:
            assert_close(days[key], {ours: row[theirs] for ours, theirs in COLUMNS.items()}, key)


def test_events(
    published: Callable[[str], list[Row]], test_data: Path, facts: dict[str, list[Reading]]
) -> None:
    """The rule, written a second time, gives the oracle's events of all readings, and ours of those kept."""
    every: dict[str, list[Reading]] = {}
    for each in sorted(cgm_readings(test_data), key=lambda each: each.at):
        every.setdefault(each.site_id, []).append(each)
    of_oracle = {
        (
            site_of(row),
            KINDS[row["type"], row["level"]],
            instant(row["start"]),
            instant(row["end"]),
            float(row["nadir_or_peak"]),
            int(row["n"]),
        )
        for row in oracle(test_data, "episodes_nointerp")
    }
    assert len(of_oracle) == 143
    assert events_of(every) == of_oracle
    names = ("site_id", "kind", "started_at", "ended_at", "extreme_glucose_mg_dl", "reading_count")
    found = [
        tuple(row[name] for name in names) for row in published("select * from marts.mrt_glucose_events")
    ]
    wanted = events_of(facts)
    assert len(found) == len(wanted) == 143
    assert set(found) == wanted


def events_of(sites: dict[str, list[Reading]]) -> set[tuple[Any, ...]]:
    return {
        (site_id, kind, *event)
        for site_id, readings in sites.items()
        for kind, is_beyond in BEYOND.items()
        for stretch in stretches(readings)
        for event in events_of_a_stretch(stretch, is_beyond)
    }


def stretches(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Cut where there is a hole of more than 45 minutes."""
    found = [[readings[0]]]
    for before, each in pairwise(readings):
        if each.at - before.at > timedelta(minutes=45):
            found.append([])
        found[-1].append(each)
    return found


def events_of_a_stretch(
    stretch: list[Reading], is_beyond: Callable[[float], bool]
) -> Iterator[tuple[Any, ...]]:
    """(start, end, extreme, readings). Runs of less than 14.5 minutes neither start nor end one."""
    runs: list[list[Reading]] = []
    for each in stretch:
        if not runs or is_beyond(runs[-1][0].glucose_mg_dl) != is_beyond(each.glucose_mg_dl):
            runs.append([])
        runs[-1].append(each)
    five = timedelta(minutes=5)
    lasting = [run for run in runs if run[-1].at - run[0].at + five >= 2.9 * five]
    start = None
    for run in [*lasting, None]:
        if run and is_beyond(run[0].glucose_mg_dl):
            start = start or run[0].at
        elif start:
            end = run[0].at if run else stretch[-1].at + five
            values = [each.glucose_mg_dl for each in stretch if start <= each.at < end]
            yield start, end, (min if is_beyond(0) else max)(values), len(values)
            start = None


def test_periods(
    published: Callable[[str], list[Row]],
    test_data: Path,
    facts: dict[str, list[Reading]],
    dropped: list[Reading],
) -> None:
    """A whole record is in the published period of 180 days; the formulas hold for 14 days by hours, too."""
    query = f"select * from marts.mrt_glucose_periods where is_current and period_days = {WHOLE_RECORD}"  # noqa: S608
    periods = by_key(published(query), "site_id")
    changed = {each.site_id for each in dropped}
    compared = {"all": 0, "last14d": 0}
    for row in oracle(test_data, "period_iglu5"):
        site_id = site_of(row)
        values = [
            each.glucose_mg_dl
            for each in facts[site_id]
            if instant(row["start"]) <= each.at <= instant(row["end"])
        ]
        by_hand = statistics(values)
        if row["window"] == "all":
            assert periods[(site_id,)]["reading_count"] == len(values) == len(facts[site_id])
            assert_close(
                periods[(site_id,)], {ours: by_hand[theirs] for ours, theirs in STATISTICS.items()}, site_id
            )
        if site_id not in changed:
            assert len(values) == int(row["n"])
            assert_close(by_hand, {ours: row[theirs] for ours, theirs in PERIOD_ORACLE.items()}, site_id)
            gmi = 3.31 + 0.02392 * by_hand["avg"]
            assert gmi == pytest.approx(float(row["gmi_pct"]), abs=1e-6)
            compared[row["window"]] += 1
    assert compared == {"all": 3, "last14d": 3}


def test_hours(
    published: Callable[[str], list[Row]],
    test_data: Path,
    facts: dict[str, list[Reading]],
    dropped: list[Reading],
) -> None:
    query = (
        "select site_id, hour_of_day, sum(reading_count) as n, 100 * sum(in_range_count) / sum(reading_count)"
        " as tir, sum(avg_glucose_mg_dl * reading_count) / sum(reading_count) as mean"
        " from marts.mrt_glucose_readings group by site_id, hour_of_day"
    )
    hours = by_key(published(query), "site_id", "hour_of_day")
    touched = {(each.site_id, each.at.hour) for each in dropped}
    compared = 0
    for row in oracle(test_data, "hourly_iglu5"):
        key = site_of(row), int(row["hour"])
        values = [each.glucose_mg_dl for each in facts[key[0]] if each.at.hour == key[1]]
        percentiles = {f"p{at:02}": np.quantile(values, at / 100) for at in (5, 25, 50, 75, 95)}
        in_range = 100 * np.mean([70 <= value <= 180 for value in values])
        found = {name: float(value) for name, value in hours[key].items() if name != "site_id"} | percentiles
        assert_close(found, {"n": len(values), "mean": np.mean(values), "tir": in_range}, key)
        if key not in touched:
            names = ("n", "mean", "tir", *percentiles)
            assert_close(found, {name: row[name] for name in names}, key)
            compared += 1
    assert compared == 120 - len(touched) == 110


def test_profiles(
    published: Callable[[str], list[Row]],
    test_data: Path,
    facts: dict[str, list[Reading]],
    dropped: list[Reading],
) -> None:
    query = f"select * from marts.mrt_glucose_agp where period_days = {WHOLE_RECORD}"  # noqa: S608
    bins = by_key(published(query), "site_id", "bin_start_minute")
    of_oracle = {(site_of(row), int(row["minute_of_day"])): row for row in oracle(test_data, "agp15_iglu5")}
    assert bins.keys() == of_oracle.keys()
    touched = {(each.site_id, bin_of(each)) for each in dropped}
    names = ("p05", "p25", "p50", "p75", "p95")
    for key, row in of_oracle.items():
        wanted: dict[str, Any] = {"reading_count": row["n"]} | {f"{name}_mg_dl": row[name] for name in names}
        if key in touched:
            values = [each.glucose_mg_dl for each in facts[key[0]] if bin_of(each) == key[1]]
            wanted = {f"{name}_mg_dl": np.quantile(values, int(name[1:]) / 100) for name in names}
            wanted["reading_count"] = len(values)
        assert_close(bins[key], wanted, key)
    assert (len(bins), len(touched)) == (480, 14)


def bin_of(reading: Reading) -> int:
    return (60 * reading.at.hour + reading.at.minute) // 15 * 15
