"""The same day, however its run was started: the same raw documents and the same readings.

Each way starts from the same lake and stage, which hold the day before and no document of the day, so that
every document has to come by the way itself.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from include.nightscout.demo import DEMO_ZONE
from include.nightscout.zones import ZoneValidity, day_end, day_start
from include.run.turn import turn
from tests.orchestration.live_airflow import DAY, LiveAirflow, live_airflow, wait_for

pytestmark = pytest.mark.stack

ZONES = (ZoneValidity(DEMO_ZONE, None),)
START, END = day_start(ZONES, DAY), day_end(ZONES, DAY)
FOLDERS = ("lake", "stage")
DAY_BEFORE, DAY_AFTER = DAY - timedelta(days=1), DAY + timedelta(days=1)
WAYS = (
    "a tick of the scheduler",
    "airflow backfill create",
    "the API with a partition key",
    "the API with a logical date",
    "the form with a range of one day",
    "airflow dags test",
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A version of the lake, as far as the day is concerned."""

    documents: list[Row]  # of both raw tables, live ones
    readings: list[Row]
    read_by_the_run: set[str]  # collections of which the run itself read the whole day


@dataclass(frozen=True)
class Ways:
    """What the lake held before any of them, and after each; what the site itself says."""

    before: Seen
    after: dict[str, Seen]
    expected_ids: list[str]
    backfill: dict[str, set[datetime]]  # by partition key the first instants of the windows that its run read


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    saved = tmp_path_factory.mktemp("saved")
    with live_airflow(tmp_path_factory.mktemp("ways")) as live:
        assert live.start_dags_test(DAY_BEFORE).wait() == 0, live.log(f"dags-test-{DAY_BEFORE}")
        base = live.lakehouse.main_version()
        assert base is not None
        before, after = look(live, base, ""), {}
        for folder in FOLDERS:
            shutil.copytree(live.settings.lakehouse_home / folder, saved / folder, symlinks=True)
        with live.service():
            for way, start in zip(WAYS, (tick, backfill, key, logical_date, form, dags_test), strict=True):
                go_back_to(live, saved)
                run_id = start(live)
                after[way] = look(live, live.version_of(run_id), run_id)
                if start is backfill:
                    days = {run["partition_key"]: days_read(live, run) for run in live.runs("backfill")}
        yield Ways(before, after, expected_ids(live.url), days)


def tick(live: LiveAirflow) -> str:
    """The newest tick of the open day, which the scheduler runs as soon as it starts."""
    made = wait_for(lambda: live.runs("scheduled") or None, "the scheduler's first tick")
    return _succeeded(live, str(made[0]["dag_run_id"]))


def backfill(live: LiveAirflow) -> str:
    made = live.backfill(DAY, DAY_AFTER)
    for run_id in made:
        live.wait_for_success(run_id)
    return made[0]


def key(live: LiveAirflow) -> str:
    return _succeeded(live, live.trigger(partition_key=DAY.isoformat()))


def logical_date(live: LiveAirflow) -> str:
    return _succeeded(live, live.trigger(logical_date=f"{DAY}T00:00:00Z"))


def form(live: LiveAirflow) -> str:
    return _succeeded(live, live.trigger(conf={"start": DAY.isoformat(), "end": DAY.isoformat()}))


def dags_test(live: LiveAirflow) -> str:
    assert live.start_dags_test(DAY).wait() == 0, live.log(f"dags-test-{DAY}").read_text()[-4000:]
    return str(live.database("test", "select run_id from dag_run order by id desc limit 1")[0][0])


def _succeeded(live: LiveAirflow, run_id: str) -> str:
    live.wait_for_success(run_id)
    return run_id


def go_back_to(live: LiveAirflow, saved: Path) -> None:
    """Put lake and stage back as they were saved, while nobody writes."""
    with turn(live.pipeline.leases, "go-back", print):
        for folder in FOLDERS:
            shutil.rmtree(live.settings.lakehouse_home / folder)
            shutil.copytree(saved / folder, live.settings.lakehouse_home / folder, symlinks=True)


def look(live: LiveAirflow, version: str, run_id: str) -> Seen:
    lake = live.lakehouse.at(version)
    columns = {"glucose_entries": "reading_at", "treatments": "treated_at"}
    documents = [
        row
        for table, instant in columns.items()
        for row in lake.query(
            f"select '{table}' as collection, site_id, _id, content_hash from raw.{table}"  # noqa: S608
            f" where deleted_at is null and {instant} >= ? and {instant} < ? order by _id",
            [START, END],
        ).to_pylist()
    ]
    readings = lake.query(
        "select * from silver.fct_glucose_readings where reading_date = ? order by slot_start", [DAY]
    ).to_pylist()
    read = lake.query(
        "select distinct collection from raw.ingest_outcomes where kind = 'window' and status = 'merged'"
        " and run_id = ? and window_start <= ? and window_end >= ?",
        [run_id, START, END],
    )
    return Seen(documents, readings, set(read["collection"].to_pylist()))


def days_read(live: LiveAirflow, run: Row) -> set[datetime]:
    """First instants of the windows that a run read."""
    run_id = run["dag_run_id"]
    rows = live.lakehouse.at(live.version_of(run_id)).query(
        "select distinct window_start from raw.ingest_outcomes where run_id = ? and kind = 'window'"
        " and collection = 'entries'",
        [run_id],
    )
    return {start.astimezone(UTC) for start in rows["window_start"].to_pylist()}


def expected_ids(url: str) -> list[str]:
    """Ids of the day's documents, asked of the site without our client."""
    first, last = (int(instant.timestamp() * 1000) for instant in (START, END))
    texts = [f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z" for instant in (START, END)]
    asked = (("entries", "date", first, last), ("treatments", "created_at", *texts))
    ids: list[str] = []
    for path, field, start, end in asked:
        find = {f"find[{field}][$gte]": start, f"find[{field}][$lt]": end, "count": 10_000}
        answer = requests.get(f"{url}/api/v1/{path}.json", params=find, timeout=30)
        answer.raise_for_status()
        ids += [document["_id"] for document in answer.json()]
    return sorted(ids)


def test_nothing_of_the_day_was_there_before(ways: Ways) -> None:
    assert ways.before.documents == ways.before.readings == []


@pytest.mark.parametrize("way", WAYS)
def test_the_run_itself_read_the_whole_day(ways: Ways, way: str) -> None:
    assert ways.after[way].read_by_the_run == {"entries", "treatments", "profile"}


@pytest.mark.parametrize("way", WAYS)
def test_raw_holds_what_the_site_has(ways: Ways, way: str) -> None:
    assert len(ways.expected_ids) > 100  # the simulated person's sensor is out for hours on some days
    assert sorted(row["_id"] for row in ways.after[way].documents) == ways.expected_ids


@pytest.mark.parametrize("way", WAYS[1:])
def test_documents_and_readings_are_the_same(ways: Ways, way: str) -> None:
    first = ways.after[WAYS[0]]
    assert ways.after[way].documents == first.documents
    assert len(first.readings) > 100
    assert ways.after[way].readings == first.readings


def test_a_backfill_is_one_run_a_day_that_reads_that_day(ways: Ways) -> None:
    assert ways.backfill == {DAY.isoformat(): {START}, DAY_AFTER.isoformat(): {END}}
