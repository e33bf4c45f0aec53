"""Runs that are started together, killed, tried again or cleared: one writes at a time, nothing is harmed."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import psutil
import pytest

from include.ingestion.staged_read import StagedRead
from include.serving.publish import published_version
from include.serving.runs import last_runs
from tests.orchestration.live_airflow import DAG, DAY, LiveAirflow, live_airflow, wait_for

pytestmark = pytest.mark.stack

DAYS = [DAY + timedelta(days=number) for number in range(-2, 2)]
CONTENT = {
    "raw.glucose_entries": "select site_id, _id, content_hash, deleted_at from raw.glucose_entries",
    "raw.treatments": "select site_id, _id, content_hash, deleted_at from raw.treatments",
    "fct_glucose_readings": "select * from silver.fct_glucose_readings",
}
CLEAR_ALL = "clear the whole run"
MAINTENANCE = "lakehouse_maintenance"


@dataclass(frozen=True)
class Turn:
    """One run's time as the only writer, from Airflow's records and from the lake's."""

    number: int
    run_id: str
    taken_at: datetime
    asked_at: datetime
    first_write: datetime
    published_at: datetime
    version: str


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAirflow]:
    with live_airflow(tmp_path_factory.mktemp("overlap")) as live:
        yield live


@pytest.fixture(scope="module")
def served(live: LiveAirflow) -> Iterator[LiveAirflow]:
    with live.service():
        yield live


def content(live: LiveAirflow) -> dict[str, list[str]]:
    """What main holds, apart from who wrote it and when."""
    main = live.lakehouse.at("main")
    return {name: sorted(map(str, main.query(query).to_pylist())) for name, query in CONTENT.items()}


def turn_of(live: LiveAirflow, home: str, run_id: str) -> Turn:
    """The turn of a run that succeeded, by the records of its metadata database."""
    times = {
        task: tuple(datetime.fromisoformat(f"{text[:26]}+00:00") for text in (start, end))
        for task, start, end in live.database(
            home,
            "select task_id, start_date, end_date from task_instance"  # noqa: S608
            f" where run_id = '{run_id}' and task_id in ('take_lease', 'open_branch', 'publish')",
        )
    }
    lease = live.xcom(home, run_id, "take_lease")
    return Turn(
        number=lease["number"],
        run_id=run_id,
        taken_at=datetime.fromisoformat(lease["taken_at"]),
        asked_at=times["take_lease"][0],
        first_write=times["open_branch"][0],
        published_at=times["publish"][1],
        version=lease["branch"],
    )


def holder_run(live: LiveAirflow) -> str | None:
    holder = live.pipeline.leases.holder()
    return holder.run_id if holder else None


def staged_entries(live: LiveAirflow) -> list[StagedRead]:
    return [read for read in live.pipeline.inbox.reads() if read.window.collection == "entries"]


def test_a_killed_run_is_taken_over_and_what_it_had_read_is_merged(live: LiveAirflow) -> None:
    killed = live.start_dags_test(DAYS[0])
    try:
        reads = wait_for(lambda: staged_entries(live) or None, "a read of entries to be staged")
        holder = holder_run(live)
    finally:
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    assert holder == holder_run(live)  # nobody gave it back
    assert live.lakehouse.main_version() is None
    (unfinished,) = live.lakehouse.branches()
    last_number = int(unfinished.name.rpartition("-")[2])

    assert live.start_dags_test(DAYS[1]).wait() == 0, live.log(f"dags-test-{DAYS[1]}").read_text()[-4000:]

    main = live.lakehouse.at("main")
    assert int(main.name.rpartition("-")[2]) == last_number + 1
    merged = main.query(
        "select read_id, collection, window_start from raw.ingest_outcomes where status = 'merged'"
    ).to_pylist()
    assert {read.read_id for read in reads} <= {one["read_id"] for one in merged}
    days = {one["window_start"] for one in merged if one["collection"] == "entries"}
    assert len(days) == 2  # the killed run's day and its own
    assert holder_run(live) is None


def test_runs_started_together_write_one_after_another(served: LiveAirflow) -> None:
    beside = served.start_dags_test(DAYS[0])
    made = served.backfill(DAYS[2], DAYS[3])
    manual = served.trigger(conf={"start": DAYS[1].isoformat(), "end": DAYS[1].isoformat()})
    tick = wait_for(lambda: served.runs("scheduled") or None, "the scheduler's first tick")[0]["dag_run_id"]
    for run_id in (*made, manual, tick):
        served.wait_for_success(run_id)
    assert beside.wait() == 0, served.log(f"dags-test-{DAYS[0]}").read_text()[-4000:]

    of_dags_test = served.database("test", "select run_id from dag_run order by id desc limit 1")[0][0]
    turns = sorted(
        (
            turn_of(served, "test", of_dags_test),
            *(turn_of(served, "service", run_id) for run_id in (*made, manual, tick)),
        ),
        key=lambda turn: turn.number,
    )
    bases = {version.name: version.base for version in served.lakehouse.history()}
    runs = last_runs(served.pipeline.postgres, 100)
    numbers = sorted(
        run["lease_number"] for run in runs if run["dag_id"] == DAG
    )  # maintenance has its turn too
    waited = 0
    for before, after in pairwise(turns):
        assert numbers.index(after.number) == numbers.index(before.number) + 1
        assert before.published_at <= after.taken_at <= after.first_write
        assert bases[after.version] == before.version
        waited += after.asked_at < before.published_at
    assert waited >= 2  # else nothing overlapped, and this test shows nothing
    main = served.lakehouse.at("main")
    for table in ("raw.glucose_entries", "raw.treatments"):
        counted = main.query(f"select count(*) as n, count(distinct (site_id, _id)) as ids from {table}")  # noqa: S608
        assert counted["n"] == counted["ids"]
    days = main.query("select distinct reading_date from silver.fct_glucose_readings")["reading_date"]
    assert set(DAYS) <= set(days.to_pylist())


def test_the_maintenance_dag_has_its_turn(served: LiveAirflow) -> None:
    before = content(served)
    assert served.wait_for_end(served.trigger(MAINTENANCE), MAINTENANCE) == "success"
    assert content(served) == before
    assert readers_see_main(served)
    assert holder_run(served) is None


@pytest.fixture(scope="module")
def killed_once(served: LiveAirflow) -> tuple[str, dict[str, list[str]]]:
    """A run that succeeded though its merge was killed, and what main held before it."""
    before = content(served)
    run_id = served.trigger(partition_key=DAY.isoformat())
    running = (
        "select pid from task_instance where task_id = 'merge' and state = 'running' and pid is not null"  # noqa: S608
        f" and run_id = '{run_id}'"
    )
    pid = wait_for(lambda: served.database("service", running) or None, "merge to run", every=0.1)[0][0]
    for member in (*psutil.Process(pid).children(recursive=True), psutil.Process(pid)):
        with suppress(psutil.NoSuchProcess):
            member.kill()
    served.wait_for_success(run_id)
    return run_id, before


@pytest.fixture(scope="module")
def finished(killed_once: tuple[str, dict[str, list[str]]]) -> str:
    """A run that succeeded."""
    return killed_once[0]


def test_a_task_that_is_killed_is_tried_again(
    served: LiveAirflow, killed_once: tuple[str, dict[str, list[str]]]
) -> None:
    run_id, before = killed_once
    tries = served.database(
        "service",
        f"select try_number from task_instance where task_id = 'merge' and run_id = '{run_id}'",  # noqa: S608
    )
    assert tries == [(2,)]
    assert content(served) == before


def clear(live: LiveAirflow, run_id: str, **what: Any) -> str:
    """Clear tasks of a run, as the UI does, and wait; the state in which the run ended."""
    body = {"dry_run": False, "only_failed": False, "dag_run_id": run_id, **what}
    cleared = live.api("POST", f"dags/{DAG}/clearTaskInstances", body)
    assert cleared["total_entries"] > 0
    return live.wait_for_end(run_id)


def readers_see_main(live: LiveAirflow) -> bool:
    shown = published_version(live.pipeline.postgres)
    return shown is not None and shown.version == live.lakehouse.main_version()


def test_publish_cleared_alone_changes_nothing(served: LiveAirflow, finished: str) -> None:
    before = content(served)
    assert clear(served, finished, task_ids=["publish"]) == "success", served.reason(finished)
    assert served.states(finished)["publish"] == "skipped"
    assert content(served) == before
    assert readers_see_main(served)
    assert holder_run(served) is None


def test_merge_cleared_alone_asks_for_the_whole_run(served: LiveAirflow, finished: str) -> None:
    before = content(served)
    ended = clear(served, finished, task_ids=["merge"], include_downstream=True)
    assert ended == "failed"
    assert CLEAR_ALL in served.reason(finished)
    assert served.states(finished)["promote"] == "upstream_failed"
    assert content(served) == before
    assert readers_see_main(served)
    assert holder_run(served) is None


def test_a_whole_run_that_is_cleared_runs_again(served: LiveAirflow, finished: str) -> None:
    before, old = content(served), served.version_of(finished)
    body = {"dry_run": False, "only_failed": False}
    served.api("POST", f"dags/{DAG}/dagRuns/{finished}/clear", body)
    served.wait_for_success(finished)
    assert served.version_of(finished) != old
    assert content(served) == before
    assert readers_see_main(served)


def test_runs_that_wait_leave_room_for_the_one_whose_turn_it_is(served: LiveAirflow) -> None:
    """More runs than the executor has slots; each run that waits takes one."""
    days = {
        "from_date": f"{DAY - timedelta(days=40)}T00:00:00Z",
        "to_date": f"{DAY - timedelta(days=31)}T00:00:00Z",
    }
    older = {run["dag_run_id"] for run in served.runs("backfill")}
    made = served.api("POST", "backfills", {"dag_id": DAG, **days})
    waiting = {run["dag_run_id"] for run in served.runs("backfill")} - older
    assert made["max_active_runs"] == len(waiting) == 10

    def planned() -> str | None:
        states = {run_id: served.states(run_id).get("plan") for run_id in waiting}
        return next((run_id for run_id, state in states.items() if state == "success"), None)

    wait_for(planned, "the first of them to go on")
    served.api("PUT", f"backfills/{made['id']}/cancel")
    for run_id in waiting:
        served.mark_failed(run_id)
    # One that took the lease as it was marked cannot give it back; the next run takes it over.
    served.wait_for_success(served.trigger(partition_key=DAY.isoformat()))
