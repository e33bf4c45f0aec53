"""What became of every document, and where readings are missing: counted anew from raw rows."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from include.nightscout.zones import ZoneValidity, day_end, day_start
from tests.dbt.conftest import ZONES_OF_EXPORTS
from tests.dbt.glucose_lake import Row, by_key, oracle, rows_of

GAP = timedelta(minutes=30)
TRAVELS = (
    ZoneValidity("Pacific/Honolulu"),
    ZoneValidity("Pacific/Auckland", date(2024, 6, 10)),
    ZoneValidity("Pacific/Honolulu", date(2024, 6, 20)),
)
ZONES = {
    **{site_id: (ZoneValidity(zone),) for site_id, zone in ZONES_OF_EXPORTS.items()},
    "faults": (ZoneValidity("Europe/Berlin"),),
    "traveller": TRAVELS,
}


@pytest.fixture(scope="module")
def days(connection: duckdb.DuckDBPyConnection) -> dict[tuple[Any, ...], Row]:
    return by_key(rows_of(connection, "select * from lake.marts.mrt_data_quality"), "site_id", "reading_date")


def test_kept_and_duplicates_of_real_exports(days: dict[tuple[Any, ...], Row], test_data: Path) -> None:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for (site_id, _), day in days.items():
        found[site_id].update(kept=day["kept_count"], raw=day["kept_count"] + day["duplicate_count"])
    expected = {(row["file"], row["rule"]): int(row["n"]) for row in oracle(test_data, "nsreal_dedup")}
    for site_id in ZONES_OF_EXPORTS:
        assert found[site_id] == {"kept": expected[site_id, "5min_slot"], "raw": expected[site_id, "raw"]}


def test_every_document_of_real_exports_counts_on_its_local_day(
    connection: duckdb.DuckDBPyConnection, days: dict[tuple[Any, ...], Row]
) -> None:
    received: Counter[tuple[str, date]] = Counter()
    devices: dict[tuple[str, date], set[str]] = defaultdict(set)
    for row in rows_of(connection, "select * from lake.raw.glucose_entries where deleted_at is null"):
        if row["site_id"] in ZONES_OF_EXPORTS:
            zone = ZoneInfo(ZONES_OF_EXPORTS[row["site_id"]])
            key = row["site_id"], row["reading_at"].astimezone(zone).date()
            received[key] += 1
            if row["type"] == "sgv":
                devices[key].add(row["device"] or "")
    of_exports = {key: day for key, day in days.items() if key[0] in ZONES_OF_EXPORTS}
    assert {
        key: day["received_count"] for key, day in of_exports.items() if day["received_count"]
    } == received
    assert {key: day["device_count"] for key, day in of_exports.items() if day["device_count"]} == {
        key: len(names) for key, names in devices.items()
    }


def test_what_is_no_reading_is_counted_by_what_became_of_it(days: dict[tuple[Any, ...], Row]) -> None:
    """One refused document lies, undated, in a window that starts on 29 February in Berlin."""
    names = "received kept duplicate excluded other_type deleted quarantined clipped expected"
    found = {
        day: [row[f"{name}_count"] for name in names.split()]
        for (site_id, day), row in days.items()
        if site_id == "faults"
    }
    assert found == {
        date(2024, 2, 29): [1, 0, 0, 0, 0, 0, 1, 0, 0],
        date(2024, 3, 1): [12, 3, 0, 5, 2, 1, 1, 1, 288],
        date(2024, 3, 2): [1, 1, 0, 0, 0, 0, 0, 0, 144],
    }


@pytest.mark.parametrize("site_id", ZONES)
def test_gaps_are_those_between_readings(
    connection: duckdb.DuckDBPyConnection, days: dict[tuple[Any, ...], Row], site_id: str
) -> None:
    readings = rows_of(
        connection,
        "select reading_timestamp as at from lake.silver.fct_glucose_readings where site_id = ? order by 1",
        [site_id],
    )
    (through,) = rows_of(
        connection,
        "select data_through as at from lake.silver.int_site_data_through where site_id = ?",
        [site_id],
    )
    instants = [row["at"] for row in (*readings, through)]
    gaps = [(start, end) for start, end in pairwise(instants) if end - start > GAP]
    compared = {day: row for (of, day), row in days.items() if of == site_id and row["expected_count"]}
    assert sum(row["gap_count"] for row in compared.values()) >= len(gaps) > 0
    for day, row in compared.items():
        parts = _parts(gaps, day_start(ZONES[site_id], day), day_end(ZONES[site_id], day))
        assert row["gap_count"] == len(parts), day
        assert row["longest_gap_minutes"] == (pytest.approx(max(parts)) if parts else None), day


def _parts(gaps: Sequence[tuple[datetime, datetime]], start: datetime, end: datetime) -> list[float]:
    """Minutes of each gap that lie between start and end."""
    cut = ((max(start, first), min(end, last)) for first, last in gaps)
    return [(last - first).total_seconds() / 60 for first, last in cut if first < last]


def test_only_what_a_read_missed_is_late(days: dict[tuple[Any, ...], Row]) -> None:
    late = {key: day["late_count"] for key, day in days.items() if day["late_count"]}
    assert late == {("traveller", date(2024, 6, 29)): 1}
    assert days["traveller", date(2024, 6, 29)]["received_count"] == 2


def test_days_are_those_of_the_overview_and_of_documents(
    connection: duckdb.DuckDBPyConnection, days: dict[tuple[Any, ...], Row]
) -> None:
    overview = by_key(
        rows_of(connection, "select * from lake.marts.mrt_glucose_overview"), "site_id", "reading_date"
    )
    assert overview.keys() <= days.keys()
    assert {key for key in days.keys() - overview.keys() if not days[key]["received_count"]} == set()
    for key, day in overview.items():
        found = days[key]
        assert (found["kept_count"], found["expected_count"], found["coverage_pct"]) == (
            day["reading_count"],
            day["expected_count"],
            day["coverage_pct"],
        )
