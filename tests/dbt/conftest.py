"""One lake with every site of the tests, built once."""

import json
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
    _add_days_of_changes(raw, test_data)
    _add_traveller(raw)
    _add_faults(raw)
    _add_sparse_sites(raw)
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
        _add_profiles(raw, test_data, site_id)
        _add_device_status(raw, test_data, site_id)
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
                entered_by=treatment.get("enteredBy"),
                payload=json.dumps(treatment),
            )


def _add_device_status(raw: Raw, test_data: Path, site_id: str) -> None:
    for report in export(test_data, site_id, "devicestatus"):
        battery = report["uploader"]["battery"]
        raw.device_status(site_id, report["_id"], instant(report["created_at"]), uploader_battery_pct=battery)


def _add_profiles(raw: Raw, test_data: Path, site_id: str) -> None:
    for profile in export(test_data, site_id, "profile"):
        (store,) = profile["store"].values()
        segments = [(segment["timeAsSeconds"], segment["value"]) for segment in store["basal"]]
        zone = store["timezone"]
        raw.profile(site_id, profile["_id"], instant(profile["startDate"]), *segments, zone=zone)


def _add_changing_zones(raw: Raw, test_data: Path) -> None:
    for zone in sorted({row["tz"] for row in oracle(test_data, "dst_days")}):
        site_id = zone.lower().replace("/", "-")
        raw.site(site_id, (zone, SINCE_EVER, None), through="2026-12-31T17:00:00")
        raw.entry(site_id, "first", instant("2024-01-02"), 100)
        raw.entry(site_id, "last", instant("2026-12-31 12:00"), 100)


def _add_days_of_changes(raw: Raw, test_data: Path) -> None:
    """Both days of 2024 on which each zone changes its clocks, with a reading in every slot."""
    changes = [row for row in oracle(test_data, "dst_days") if row["local_date"] < "2025"]
    for zone in sorted({row["tz"] for row in changes}):
        raw.site(clocks_of(zone), (zone, SINCE_EVER, None), through="2024-12-01")
    for row in changes:
        at = instant(row["utc_start"])
        while at < instant(row["utc_end"]):
            raw.entry(clocks_of(row["tz"]), at.isoformat(), at, 110, direction="Flat")
            at += timedelta(minutes=5)


def clocks_of(zone: str) -> str:
    """The site of the zone that has readings on its days of changes."""
    return f"clocks-{zone.lower().replace('/', '-')}"


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
    # Of Honolulu's last whole day, to 10:00 of the 30th (UTC): the first read held one entry, not the other.
    last_day, read_at = instant("2024-06-29T20:00:00"), instant("2024-07-01")
    whole = {"window_start": instant("2024-06-29T10:00:00"), "fetched_at": read_at}
    raw.outcome("traveller", "entries", "2024-06-30T10:00:00", **whole)
    raw.entry("traveller", "in time", last_day, 5, first_seen_at=read_at)
    raw.entry("traveller", "late", last_day, 5, first_seen_at=read_at + timedelta(days=1))


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
    raw.entry("faults", "calibration", noon + timedelta(hours=1), None, type="cal")
    raw.quarantined("faults", "dated", noon)
    raw.quarantined("faults", "undated", None, window_start=instant("2024-02-28T23:00:00"))
    raw.quarantined("faults", "resolved", noon, resolved_at=noon)
    raw.quarantined("faults", "treatment", noon, collection="treatments")
    raw.treatment("faults", "broken", noon, payload='{"insulinType": NaN', insulin=2.0, event_type="Bolus")
    raw.treatment("faults", "no amount", noon, insulin=1e300, carbs=1e300, event_type="Bolus")
    raw.treatment("faults", "no rate", noon, absolute=1e300, duration_minutes=1e300, event_type="Temp Basal")
    raw.treatment(
        "faults",
        "switch",
        noon + timedelta(hours=1),
        event_type="Profile Switch",
        duration_minutes=60.0,
        basal_schedule='[{"start_seconds":0,"units_per_hour":1.5}]',
    )
    half = {"percent": -50.0, "duration_minutes": 30.0}
    raw.treatment("faults", "half", noon + timedelta(minutes=75), event_type="Temp Basal", **half)
    raw.treatment("faults", "gone", noon, insulin=3.0, deleted_at=noon)
    raw.treatment(
        "faults",
        "without end",
        noon + timedelta(hours=20),
        event_type="Profile Switch",
        duration_minutes=1e300,
        basal_schedule='[{"start_seconds":0,"units_per_hour":1},{"start_seconds":39600,"units_per_hour":1e24}]',
    )
    no_number = {"percent": 1e300, "duration_minutes": 30.0}
    raw.treatment("faults", "no percentage", noon + timedelta(hours=21), event_type="Temp Basal", **no_number)


def _add_sparse_sites(raw: Raw) -> None:
    """One without readings, one with those of a meter alone."""
    at = instant("2024-03-01T12:00:00")
    for site_id in ("only-treatments", "only-meter"):
        raw.site(site_id, ("Etc/UTC", SINCE_EVER, None), through="2024-03-02T12:00:00")
    raw.treatment("only-treatments", "meal", at, event_type="Meal Bolus", insulin=2.0, carbs=30.0)
    raw.entry("only-meter", "meter", at, None, type="mbg", mbg=120.0)
