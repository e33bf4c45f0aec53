"""Real exports, served as whole sites: readings, days and device status as published and on main."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from include.ingestion.stage import DOCUMENTS
from tests.acceptance.served_lake import served_lake
from tests.cli.homes import Home
from tests.dbt.conftest import ZONES_OF_EXPORTS
from tests.dbt.glucose_lake import export, oracle
from tests.nightscout.recorded_site import RecordedSite

FIRST_DAY, LAST_DAY = "2025-10-05", "2026-03-04"
COLLECTIONS = ("entries", "treatments", "profile", "devicestatus")
SILENT = "sensor_d"
"""The site that is not asked for its device status."""
# Of its newest document, read by eye: loop state, insulin and carbs on board, pump, telephone, reservoir.
STATUS = {
    "patient_a": ("enacted", 8.157815729708565, 0.0, None, 15.0, None),
    "patient_b": ("enacted", 2.905, 10.0, 100.0, 70.0, None),
    "patient_d": ("enacted", 0.8908328021422379, 9.915728304254255, None, 85.0, None),
    "patient_j": (None, None, None, None, 63.0, None),
}


@pytest.fixture(scope="module")
def home(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The lake after one run over all of them."""
    sites = {
        site_id: RecordedSite(**{name: export(test_data, site_id, name) for name in COLLECTIONS})
        for site_id in ZONES_OF_EXPORTS
    }
    about = {
        site_id: {"zone": zone, "device_status": site_id != SILENT}
        for site_id, zone in ZONES_OF_EXPORTS.items()
    }
    with served_lake(tmp_path_factory.mktemp("exports"), sites, about, FIRST_DAY, LAST_DAY) as home:
        yield home


def test_days_are_those_of_the_oracle(home: Home, test_data: Path) -> None:
    names = ("reading_count", "avg_glucose_mg_dl", "stddev_glucose_mg_dl", "time_in_range_pct")
    query = f"select site_id, reading_date, {', '.join(names)} from marts.mrt_glucose_overview"  # noqa: S608
    found = {
        (site_id, day): values for site_id, day, *values in home.published(f"{query} where reading_count > 0")
    }
    wanted = {
        (row["file"], date.fromisoformat(row["local_date"])): [
            float(row[name]) for name in ("n_slot", "mean", "sd_sample", "tir_70_180")
        ]
        for row in oracle(test_data, "nsreal_daily_local")
    }
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert found[key] == pytest.approx(values, abs=1e-6), key


def test_readings_of_several_uploaders_are_counted_once(home: Home, test_data: Path) -> None:
    found = dict(
        home.published("select site_id, sum(reading_count) from marts.mrt_glucose_overview group by 1")
    )
    rows = oracle(test_data, "nsreal_dedup")
    assert found == {row["file"]: int(row["n"]) for row in rows if row["rule"] == "5min_slot"}
    (live,) = home.rows("select count(*) as n from raw.glucose_entries where deleted_at is null")
    assert live["n"] == sum(len(export(test_data, site_id, "entries")) for site_id in ZONES_OF_EXPORTS)


def test_device_status_is_kept_of_those_that_ask_for_it(home: Home, test_data: Path) -> None:
    rows = home.rows("select * from bronze.stg_device_status order by reported_at")
    assert {row["site_id"] for row in rows} == set(STATUS)
    for site_id, (state, *amounts) in STATUS.items():
        documents = export(test_data, site_id, "devicestatus")
        found = [row for row in rows if row["site_id"] == site_id]
        ids = [document["_id"] for document in sorted(documents, key=created_at)]
        assert [row["device_status_id"] for row in found] == ids
        names = ("iob_units", "cob_grams", "pump_battery_pct", "uploader_battery_pct", "reservoir_units")
        assert (found[-1]["loop_state"], [found[-1][name] for name in names]) == (state, amounts)


def test_predictions_are_never_written(home: Home) -> None:
    (largest,) = home.rows("select max(length(payload)) as characters from raw.device_status")
    assert 50 < largest["characters"] < 1000
    staged = [path for path in home.files() if "devicestatus" in path.parts and path.name == DOCUMENTS]
    documents = [text for path in staged for text in parquet.read_table(path)["document"].to_pylist()]
    assert len(documents) == 4 * len(STATUS)
    assert not [text for text in documents if "pred" in text]


def created_at(document: dict[str, Any]) -> str:
    return str(document["created_at"])
