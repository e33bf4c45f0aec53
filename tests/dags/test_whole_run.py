"""`airflow dags test` of a day, as a person types it, with every real part: what it leaves, what it tells."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from include.lakehouse import open_lakehouse
from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.profiles import PUSH_TOKEN, profiles
from include.nightscout.demo.server import serve
from include.nightscout.zones import ZoneValidity, day_end, day_start
from include.orchestration.environment import airflow_environment, airflow_home, prepare_airflow
from include.run.transform import ensure_manifest, manifest_path
from include.serving.postgres import reader, stop
from include.serving.publish import published_version
from include.settings import Settings
from tests.free_ports import free_port

NOW = datetime(2024, 10, 20, 12, tzinfo=UTC)
DAY = datetime(2024, 10, 15, tzinfo=UTC)
SECRET = "a secret of twelve or more"
ZONES = (ZoneValidity(DEMO_ZONE, None),)
START, END = day_start(ZONES, DAY.date()), day_end(ZONES, DAY.date())


@dataclass(frozen=True)
class WholeRun:
    """A run that has ended: the site's answers, and what Airflow's database says of it."""

    settings: Settings
    entries: list[dict[str, Any]]
    treatments: list[dict[str, Any]]

    def airflow(self, query: str) -> list[tuple[Any, ...]]:
        database = airflow_home(self.settings, "test") / "airflow.db"
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            rows = connection.execute(query).fetchall()
        connection.close()
        return rows

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        ((value,),) = self.airflow(f"select value from xcom where task_id = '{task_id}' and key = '{key}'")  # noqa: S608
        return json.loads(value)

    @property
    def version(self) -> str:
        return str(self.xcom("take_lease")["branch"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeRun]:
    home = tmp_path_factory.mktemp("whole") / "home"
    with serve(lambda: NOW) as url:
        settings = Settings(
            lakehouse_home=home,
            lakehouse_postgres_port=free_port(),
            nightscout_url=url,
            nightscout_api_secret=SECRET,
            nightscout_time_zone=DEMO_ZONE,
        )
        try:
            ensure_manifest(settings)
            prepare_airflow(settings, "test")
            _dags_test(settings, url)
            yield WholeRun(settings, *_of_the_day(url))
        finally:
            stop(settings)


def _dags_test(settings: Settings, url: str) -> None:
    program = str(Path(sys.executable).with_name("airflow"))
    done = subprocess.run(
        [program, "dags", "test", "nightscout_glucose", DAY.date().isoformat()],
        env={
            **os.environ,
            **airflow_environment(settings, "test"),
            "LAKEHOUSE_POSTGRES_PORT": str(settings.lakehouse_postgres_port),
            "NIGHTSCOUT_URL": url,
            "NIGHTSCOUT_API_SECRET": SECRET,
            "NIGHTSCOUT_TIME_ZONE": DEMO_ZONE,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (settings.lakehouse_home / "said.log").write_text(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:]


def _of_the_day(url: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the site itself answers for the day, asked without our client."""

    def ask(path: str, field: str, first: object, last: object) -> list[dict[str, Any]]:
        find = {f"find[{field}][$gte]": first, f"find[{field}][$lt]": last, "count": 10_000}
        answer = requests.get(f"{url}/api/v1/{path}.json", params=find, timeout=30)
        answer.raise_for_status()
        return list(answer.json())

    first, last = (int(instant.timestamp() * 1000) for instant in (START, END))
    texts = (f"{instant:%Y-%m-%dT%H:%M:%S}.000Z" for instant in (START, END))
    return ask("entries", "date", first, last), ask("treatments", "created_at", *texts)


def test_profiles_are_there_without_push_tokens(run: WholeRun) -> None:
    main = open_lakehouse(run.settings).at("main")
    payloads = main.query("select payload from raw.profiles order by valid_from_at desc")["payload"]
    held = [json.loads(payload) for payload in payloads.to_pylist()]
    assert [one["_id"] for one in held] == [one["_id"] for one in profiles(NOW)]
    assert [one["loopSettings"] for one in held] == [{"dosingEnabled": True}] * len(held)
    rates = main.query("select distinct basal_units_per_hour as rate from bronze.stg_profiles")["rate"]
    assert sorted(rates.to_pylist()) == [0.8, 0.85, 0.95, 1.05]


def test_every_task_succeeded(run: WholeRun) -> None:
    assert run.airflow("select state, run_type from dag_run") == [("success", "manual")]
    states = run.airflow("select task_id, state from task_instance")
    assert {task: state for task, state in states if state != "success"} == {}
    stages = Counter(task for task, _ in states)["stage"]
    assert stages == 3  # entries and treatments of one window, and all profiles
    nodes = json.loads(manifest_path(run.settings).read_bytes())["nodes"].values()
    models = {node["name"] for node in nodes if node["resource_type"] == "model"}
    models -= {name for name in models if name.startswith("int_")}
    assert {task.split(".")[2] for task, _ in states if task.count(".") == 2} == models


def test_the_branch_became_main_and_holds_what_the_site_answered(run: WholeRun) -> None:
    lakehouse = open_lakehouse(run.settings)
    assert lakehouse.main_version() == run.version == run.xcom("promote")["version"]
    main = lakehouse.at("main")
    for table, documents in (("glucose_entries", run.entries), ("treatments", run.treatments)):
        assert documents
        found = main.query(f"select _id from raw.{table} where deleted_at is null")["_id"].to_pylist()  # noqa: S608
        assert sorted(found) == sorted(document["_id"] for document in documents)


def test_readers_see_that_version_whole(run: WholeRun) -> None:
    as_reader = reader(run.settings)
    with as_reader.transaction() as connection:
        shown = {
            name: connection.execute(f"select count(*) from marts.{name}").fetchone()  # noqa: S608
            for name in ("mrt_glucose_overview", "mrt_glucose_hourly_patterns")
        }
        day = connection.execute(
            "select reading_count, day_status from marts.mrt_glucose_overview where reading_date = %s",
            [DAY.date()],
        ).fetchone()
    main = open_lakehouse(run.settings).at("main")
    slots = {
        int(entry["date"]) // 300_000
        for entry in run.entries
        if entry["type"] == "sgv" and 20 <= entry["sgv"] <= 600
    }
    assert day is not None
    assert day[0] == len(slots)
    for name, counted in shown.items():
        lake = main.query(f"select count(*) as n from marts.{name}")["n"][0].as_py()  # noqa: S608
        assert counted == (lake,)
        assert lake > 0


def test_events_tell_what_came(run: WholeRun) -> None:
    events = {
        name: (key, json.loads(extra))
        for name, key, extra in run.airflow(
            "select asset.name, event.partition_key, event.extra"
            " from asset_event as event join asset on asset.id = event.asset_id"
        )
    }
    instants = [entry["date"] for entry in run.entries]
    instants += [
        datetime.fromisoformat(treatment["created_at"]).timestamp() * 1000 for treatment in run.treatments
    ]
    values = [entry["sgv"] for entry in run.entries if entry["type"] == "sgv" and 20 <= entry["sgv"] <= 600]
    came = len(run.entries) + len(run.treatments) + len(profiles(NOW))
    key, raw = events["nightscout_raw"]
    assert key == DAY.date().isoformat()
    assert raw == {
        "received": came,
        "accepted": came,
        "quarantined": 0,
        "inserted": came,
        "updated": 0,
        "deleted": 0,
        "first_instant": _iso(min(instants)),
        "last_instant": _iso(max(instants)),
        "mean_glucose_mg_dl": pytest.approx(sum(values) / len(values)),
        "windows": [
            {"site_id": "home", "collection": collection, "count": 1, "start": start, "end": end}
            for collection, start, end in (
                ("entries", raw["windows"][0]["start"], raw["windows"][0]["end"]),
                ("profile", "1970-01-01T00:00:00.000Z", raw["windows"][1]["end"]),
                ("treatments", raw["windows"][0]["start"], raw["windows"][0]["end"]),
            )
        ],
        "left_out": [],
    }
    window = raw["windows"][0]
    assert [datetime.fromisoformat(window[side]) for side in ("start", "end")] == [START, END]
    key, marts = events["nightscout_marts"]
    assert key == DAY.date().isoformat()
    shown = published_version(reader(run.settings))
    assert shown is not None
    assert marts == raw | {"published": True, "version": run.version, "row_counts": shown.row_counts}


def _iso(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def test_results_of_tasks_hold_no_documents(run: WholeRun) -> None:
    results = [value for (value,) in run.airflow("select value from xcom")]
    assert len(results) > 10
    for document in [*run.entries, *run.treatments]:
        assert not any(document["_id"] in result for result in results)
    assert max(map(len, results)) < 50_000


def test_no_file_holds_a_secret(run: WholeRun) -> None:
    """Logs, results, staged reads, configuration; the database's own password has its own two files."""
    home = run.settings.lakehouse_home
    secrets = {
        "the site's": SECRET.encode(),
        "the site's, hashed": hashlib.sha1(SECRET.encode()).hexdigest().encode(),  # noqa: S324 (its own rule)
        "of a profile, to push messages with": PUSH_TOKEN.encode(),
        "the reader's of Postgres": reader(run.settings).password.encode(),
    }
    own = home / "postgres"
    files = [path for path in home.rglob("*") if path.is_file() and own not in path.parents]
    assert {path.suffix for path in files} >= {".log", ".db", ".parquet", ".json", ".duckdb"}
    found = {
        (whose, str(path.relative_to(home)))
        for path in files
        for whose, secret in secrets.items()
        if secret in path.read_bytes()
    }
    assert found == set()
