"""One lake with every site of the tests, built once."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from tests.dbt.glucose_lake import SINCE_EVER, Dbt, Raw, cgm_readings, export, instant, opened, oracle

ZONES_OF_EXPORTS = {
    "patient_a": "America/Los_Angeles",
    "patient_b": "America/New_York",
    "patient_d": "America/Los_Angeles",
    "patient_j": "Asia/Tokyo",
    "sensor_d": "America/Los_Angeles",
}


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    return Dbt(tmp_path_factory.mktemp("dbt"))


@pytest.fixture(scope="session")
def lake(dbt: Dbt, test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a built lake. Read only: whoever changes it copies it first."""
    raw = Raw()
    _add_traces(raw, test_data)
    _add_exports(raw, test_data)
    _add_changing_zones(raw, test_data)
    _add_traveller(raw)
    _add_faults(raw)
    raw.site("demo", ("Etc/UTC", SINCE_EVER, None), through="2024-01-02", is_demo=True)
    raw.entry("demo", "simulated", instant("2024-01-01 12:00"), 100)
    raw.treatment("demo", "simulated", instant("2024-01-01 12:00"), insulin=1.0)
    path = tmp_path_factory.mktemp("main") / "lake.duckdb"
    raw.write(path)
    dbt.build(path, "--exclude-resource-type", "unit_test")
    return path


@pytest.fixture(scope="session")
def connection(lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with opened(lake) as opened_lake:
        yield opened_lake


@pytest.fixture
def lake_copy(lake: Path, tmp_path: Path) -> Path:
    """A copy of the built lake that a test may change."""
    return Path(shutil.copy(lake, tmp_path / "lake.duckdb"))


def _add_traces(raw: Raw, test_data: Path) -> None:
    readings = cgm_readings(test_data)
    for position, reading in enumerate(readings):
        raw.entry(reading.site_id, f"cgm-{position:05}", reading.at, reading.glucose_mg_dl, direction="Flat")
    for site_id in sorted({reading.site_id for reading in readings}):
        last = max(reading.at for reading in readings if reading.site_id == site_id)
        end = datetime.combine(last.date() + timedelta(days=1), datetime.min.time())
        raw.site(site_id, ("Etc/UTC", SINCE_EVER, None), through=end.isoformat())


def _add_exports(raw: Raw, test_data: Path) -> None:
    for site_id, zone in ZONES_OF_EXPORTS.items():
        raw.site(site_id, (zone, SINCE_EVER, None), through="2026-04-01")
        for entry in export(test_data, site_id, "entries"):
            raw.entry(
                site_id,
                entry["_id"],
                datetime.fromtimestamp(entry["date"] / 1000, ZoneInfo("UTC")),
                entry.get("sgv"),
                type=entry["type"],
                mbg=entry.get("mbg"),
                date=float(entry["date"]),
                direction=entry.get("direction"),
                device=entry.get("device"),
            )
        for treatment in export(test_data, site_id, "treatments"):
            raw.treatment(
                site_id,
                treatment["_id"],
                instant(treatment["created_at"]),
                created_at=treatment["created_at"],
                event_type=treatment.get("eventType"),
                insulin=treatment.get("insulin"),
                carbs=treatment.get("carbs"),
                glucose=treatment.get("glucose"),
                units=treatment.get("units"),
                duration_minutes=treatment.get("duration"),
                absolute=treatment.get("absolute"),
                rate=treatment.get("rate"),
            )


def _add_changing_zones(raw: Raw, test_data: Path) -> None:
    for zone in sorted({row["tz"] for row in oracle(test_data, "dst_days")}):
        site_id = zone.lower().replace("/", "-")
        raw.site(site_id, (zone, SINCE_EVER, None), through="2026-12-31T17:00:00")
        raw.entry(site_id, "first", instant("2024-01-02"), 100)
        raw.entry(site_id, "last", instant("2026-12-31 12:00"), 100)


def _add_traveller(raw: Raw) -> None:
    """Honolulu, then east to Auckland (the day before is cut), then back west (the day before is long)."""
    raw.site(
        "traveller",
        ("Pacific/Honolulu", SINCE_EVER, None),
        ("Pacific/Auckland", date(2024, 6, 10), "2024-06-09T12:00:00"),
        ("Pacific/Honolulu", date(2024, 6, 20), "2024-06-20T10:00:00"),
        through="2024-06-30",
    )
    at = instant("2024-06-05T10:00:00")
    while at < instant("2024-06-25T10:00:00"):
        raw.entry("traveller", at.isoformat(), at, 110, direction="Flat")
        at += timedelta(minutes=5)


def _add_faults(raw: Raw) -> None:
    """Documents that are no readings, and treatments that are no JSON any more."""
    raw.site("faults", ("Europe/Berlin", SINCE_EVER, None), through="2024-03-02T11:00:00")
    noon = instant("2024-03-01T12:00:00")
    for number, sgv in enumerate((5, 19.9, 20, 39, 600, 600.1, 1000)):
        raw.entry("faults", f"limit-{number}", noon + number * timedelta(minutes=5), sgv)
    raw.entry("faults", "meter", noon + timedelta(hours=1), None, type="mbg", mbg=120.0)
    raw.entry("faults", "untyped", noon + timedelta(hours=1), 120, type=None)
    raw.entry("faults", "gone", noon + timedelta(hours=2), 120, deleted_at=noon)
    raw.entry("faults", "too late", instant("2024-03-02T11:02:00"), 150)
    raw.treatment("faults", "broken", noon, payload='{"insulinType": NaN', insulin=2.0, event_type="Bolus")
    raw.treatment("faults", "gone", noon, insulin=3.0, deleted_at=noon)
