"""The real exports, posted to real Nightscout servers, through the whole Dag on both profiles, against their
oracles."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from include.run.home import remove_home
from tests.acceptance.nightscout_server import SECRET, Nightscout, database, nightscout
from tests.lakehouse.both import empty
from tests.postgres_fixture import embedded_settings
from tests.stack_fixture import environment_of

pytestmark = pytest.mark.stack

# On trino the other half is compared with embedded by `tests/engines/test_parity.py`, without servers.
PEOPLE = {
    "embedded": ("patient_a", "patient_b", "patient_d", "patient_j", "sensor_d", "trio_dynisf"),
    "trino": ("patient_a", "sensor_d", "trio_dynisf"),
}
FIRST_DAY, LAST_DAY = "2025-10-01", "2026-04-20"


def exported(test_data: Path, person: str, collection: str) -> list[dict[str, Any]]:
    documents = json.loads((test_data / "ns_real" / f"{person}_{collection}.json").read_text())
    return [{name: value for name, value in document.items() if name != "_id"} for document in documents]


def oracle(test_data: Path, name: str) -> list[dict[str, str]]:
    with (test_data / name).open() as rows:
        return list(csv.DictReader(rows))


@dataclass
class Clinic:
    """Some people's servers, and a lakehouse that reads them all."""

    home: Path
    servers: dict[str, Nightscout]
    zones: dict[str, str]
    lake: dict[str, str]

    def environment(self) -> dict[str, str]:
        connections = {
            f"AIRFLOW_CONN_{person.upper()}": json.dumps(
                {
                    "conn_type": "http",
                    "host": "127.0.0.1",
                    "schema": "http",
                    "port": int(server.url.rpartition(":")[2]),
                    "password": SECRET,
                }
            )
            for person, server in self.servers.items()
        }
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("NIGHTSCOUT_")},
            **connections,
            **self.lake,
            "SITES_FILE": str(self.home / "sites.yaml"),
        }

    def __post_init__(self) -> None:
        sites = [{"id": person, "connection": person, "zone": self.zones[person]} for person in self.servers]
        (self.home / "sites.yaml").write_text(json.dumps(sites))

    def lakehouse(self, *arguments: str) -> str:
        program = Path(sys.executable).with_name("lakehouse")
        done = subprocess.run(
            [str(program), *arguments], env=self.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"lakehouse {arguments[0]}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def load(self, first: str = FIRST_DAY, last: str = LAST_DAY) -> None:
        self.lakehouse("run", "--start", first, "--end", last)

    def rows(self, query: str) -> list[dict[str, Any]]:
        return list(json.loads(self.lakehouse("sql", query, "--json")))


@contextmanager
def lake(profile: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The settings of an empty lakehouse, removed at the end, or that of the stack."""
    if profile == "embedded":
        settings = embedded_settings(folder / "lakehouse")
        try:
            yield environment_of(settings)
        finally:
            remove_home(settings)
    else:
        settings = request.getfixturevalue("stack")
        empty(settings)
        yield environment_of(settings)


@pytest.fixture(scope="module", params=["embedded", "trino"])
def clinic(
    request: pytest.FixtureRequest, test_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("clinic")
    zones = {row["file"]: row["tz"] for row in oracle(test_data, "oracle_nsreal_daily_local.csv")}
    zones["trio_dynisf"] = "America/New_York"
    with ExitStack() as stack:
        connection = stack.enter_context(database(folder))
        people = PEOPLE[request.param]
        servers = {person: stack.enter_context(nightscout(folder, connection, person)) for person in people}
        for person, server in servers.items():
            post_export(test_data, person, server)
        clinic = Clinic(folder, servers, zones, stack.enter_context(lake(request.param, folder, request)))
        clinic.load()
        yield clinic


def post_export(test_data: Path, person: str, server: Nightscout) -> None:
    """Post a person's export as uploaders do: entries in one call, treatments one by one."""
    server.post("entries", exported(test_data, person, "entries"))
    for treatment in exported(test_data, person, "treatments"):
        server.post("treatments", [treatment])


@pytest.mark.parametrize("collection", ["entries", "treatments"])
def test_raw_holds_each_document_of_each_server_once(clinic: Clinic, collection: str) -> None:
    table = {"entries": "glucose_entries", "treatments": "treatments"}[collection]
    found = clinic.rows(f"select site_id, _id from raw.{table} where deleted_at is null")  # noqa: S608
    for person, server in clinic.servers.items():
        expected = sorted(document["_id"] for document in server.read(collection))
        assert expected, f"{person} has no {collection}"
        assert sorted(row["_id"] for row in found if row["site_id"] == person) == expected


def test_readings_equal_the_oracle_of_the_slot_rule(clinic: Clinic, test_data: Path) -> None:
    expected = {
        row["file"]: row
        for row in oracle(test_data, "oracle_nsreal_dedup.csv")
        if row["rule"] == "5min_slot" and row["file"] in clinic.servers
    }
    found = {
        row["site_id"]: row
        for row in clinic.rows(
            "select site_id, count(*) as n, avg(glucose_mg_dl) as mean, stddev_samp(glucose_mg_dl) as sd,"
            " 100.0 * avg(is_in_range) as tir from silver.fct_glucose_readings group by site_id"
        )
    }
    assert set(found) == set(clinic.servers)
    assert set(expected) == set(clinic.servers) - {
        "trio_dynisf"
    }  # ten entries, of which the oracle says nothing
    for person in expected:
        assert found[person]["n"] == int(float(expected[person]["n"]))
        for column in ("mean", "sd", "tir"):
            assert found[person][column] == pytest.approx(float(expected[person][column]), abs=1e-4), person


def test_local_days_equal_their_oracle(clinic: Clinic, test_data: Path) -> None:
    found = {
        (row["site_id"], row["reading_date"]): row
        for row in clinic.rows("select * from gold.fct_daily_glucose_metrics where reading_count > 0")
    }
    expected = [
        row for row in oracle(test_data, "oracle_nsreal_daily_local.csv") if row["file"] in clinic.servers
    ]
    assert {(row["file"], row["local_date"]) for row in expected} == {
        key for key in found if key[0] != "trio_dynisf"
    }
    for row in expected:
        day = found[row["file"], row["local_date"]]
        assert day["reading_count"] == int(row["n_slot"])
        for column, name in (
            ("mean", "avg_glucose_mg_dl"),
            ("sd_sample", "stddev_glucose_mg_dl"),
            ("tbr_lt70", "time_below_range_pct"),
            ("tir_70_180", "time_in_range_pct"),
            ("tar_gt180", "time_above_range_pct"),
        ):
            assert day[name] == pytest.approx(float(row[column]), abs=1e-6), (
                row["file"],
                row["local_date"],
                name,
            )


def test_what_changes_on_the_servers_changes_in_the_lake(clinic: Clinic) -> None:
    """An edit, a duplicate, deletions, a moved treatment and a backfill, through the server's own API."""
    server = clinic.servers["patient_a"]
    by_date = sorted(server.read("entries"), key=lambda entry: entry["date"])
    edited, removed = by_date[10], by_date[20]
    again = {name: value for name, value in edited.items() if name != "_id"} | {"sgv": 123}
    server.post("entries", [again])
    double = {
        name: value for name, value in by_date[30].items() if name not in ("_id", "sysTime", "direction")
    }
    moment = datetime.fromtimestamp(double["date"] / 1000 + 1, UTC)
    double |= {"date": double["date"] + 1000, "dateString": moment.isoformat(), "device": "second-uploader"}
    server.post("entries", [double])
    server.delete("entries", removed["_id"])
    treatments = sorted(server.read("treatments"), key=lambda treatment: treatment["created_at"])
    moved, gone = treatments[5], treatments[7]
    server.replace("treatments", moved | {"created_at": "2025-11-15T12:00:00.000Z"})
    server.delete("treatments", gone["_id"])
    old = datetime(2025, 10, 20, 12, tzinfo=UTC)
    late = [
        {
            "type": "sgv",
            "sgv": 100 + number,
            "date": int(old.timestamp() * 1000) + number * 300_000,
            "dateString": datetime.fromtimestamp(old.timestamp() + number * 300, UTC).isoformat(),
            "device": "late",
            "direction": "Flat",
        }
        for number in range(12)
    ]
    server.post("entries", late)
    readings = "select count(*) as n from silver.fct_glucose_readings where site_id = 'patient_a'"
    before = clinic.rows(readings)[0]["n"]

    clinic.load()

    assert clinic.rows(readings)[0]["n"] == before - 1 + 12
    entries = {
        row["_id"]: row
        for row in clinic.rows("select * from raw.glucose_entries where site_id = 'patient_a'")
    }
    assert entries[edited["_id"]]["sgv"] == 123
    assert entries[edited["_id"]]["deleted_at"] is None
    assert entries[removed["_id"]]["deleted_at"] is not None
    kept = {
        row["_id"]: row for row in clinic.rows("select * from raw.treatments where site_id = 'patient_a'")
    }
    assert kept[moved["_id"]]["created_at"] == "2025-11-15T12:00:00.000Z"
    assert kept[moved["_id"]]["deleted_at"] is None
    assert kept[gone["_id"]]["deleted_at"] is not None
    live = {_id for _id, row in entries.items() if row["deleted_at"] is None}
    assert live == {document["_id"] for document in server.read("entries")}
    assert {_id for _id, row in kept.items() if row["deleted_at"] is None} == {
        document["_id"] for document in server.read("treatments")
    }


def test_a_second_load_of_unchanged_servers_changes_nothing(clinic: Clinic) -> None:
    tables = "select * from raw.glucose_entries order by site_id, _id"
    facts = "select * from gold.fct_daily_glucose_metrics order by site_id, reading_date"
    before = clinic.rows(tables), clinic.rows(facts)
    clinic.load()
    assert (clinic.rows(tables), clinic.rows(facts)) == before


def test_the_demo_site_takes_no_part(clinic: Clinic) -> None:
    sites = {row["site_id"] for row in clinic.rows("select distinct site_id from raw.ingest_outcomes")}
    assert sites == set(clinic.servers)
