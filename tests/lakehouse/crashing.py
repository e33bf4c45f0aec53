"""Processes that change a lake and are killed: their work, and what the lake must then hold."""

import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import duckdb

from include.errors import ConflictError
from include.lakehouse import Lakehouse, branch_name, open_lakehouse
from include.settings import Settings
from tests.lakehouse.raw_rows import entry, frame, merge

JANUARY = datetime(2025, 1, 1, tzinfo=UTC)
NEW_READINGS = 6
TOUCHED = (
    "open",
    "os.rename",
    "os.remove",
    "os.symlink",
    "os.mkdir",
    "os.rmdir",
    "os.scandir",
    "sqlite3.connect",
)

processes = multiprocessing.get_context("forkserver")  # forked from a process without threads
processes.set_forkserver_preload([__name__, "include.lakehouse.embedded"])


def opened(home: Path) -> Lakehouse:
    return open_lakehouse(Settings(_env_file=None, lakehouse_home=home))


def readings_of(number: int) -> list[dict[str, Any]]:
    """What run `number` reads: new readings, and an edit and a move of what the run before it read."""
    first = number * NEW_READINGS
    new = [
        dict(entry(f"{key:04}", JANUARY + timedelta(days=key), sgv=float(number)))
        for key in range(first, first + NEW_READINGS)
    ]
    if number == 1:
        return new
    edited = dict(entry(f"{first - 1:04}", JANUARY + timedelta(days=first - 1), sgv=-float(number)))
    moved = dict(entry(f"{first - 2:04}", JANUARY + timedelta(days=first + 60), sgv=-float(number)))
    return [*new, edited, moved]


def expected_after(number: int) -> dict[str, tuple[datetime, float]]:
    """Time and sgv of each reading once runs 1 to `number` are promoted."""
    rows = [row for run in range(1, number + 1) for row in readings_of(run)]
    return {row["_id"]: (row["reading_at"], row["sgv"]) for row in rows}


def number_of(lakehouse: Lakehouse, ref: str) -> int:
    """The run that made a version, as the version itself says."""
    return int(lakehouse.at(ref).query("select number from marts.made_by")["number"][0].as_py())


def run_once(home: Path, *, views: bool = True) -> None:
    """One run, from opening a branch to the sweep, on whatever main is."""
    lakehouse = opened(home)
    base = lakehouse.main_version()
    number = number_of(lakehouse, base) + 1 if base else 1
    branch = lakehouse.open_branch(branch_name(f"run {number}", os.getpid()), base)
    merge(branch.table("glucose_entries"), frame(readings_of(number)))
    branch.expire(keep=2)
    if views:
        branch.refresh_views()
    with duckdb.connect(
        branch.dbt_folder() / branch.dbt_environment()["LAKEHOUSE_DUCKDB_PATH"]
    ) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute(f"create or replace table marts.made_by as select {number} as number")
    lakehouse.promote(branch.name, branch.head())
    lakehouse.sweep(branch_age=timedelta(0), file_grace=timedelta(0))


def run_then_die(home: Path, seed: int, events: int) -> None:
    """A whole run, as the one that follows a kill, then one that is killed: at a file, or at a time."""
    run_once(home, views=False)
    chance = random.Random(seed)
    if seed % 2:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.001, 0.5))  # whose default is to kill
    else:
        die_at(chance.randrange(events))
    run_once(home)


def die_at(event: int) -> None:
    """Be killed before this process touches its `event`-th file from now."""
    countdown = iter(range(event))

    def hook(name: str, _: object) -> None:
        if name in TOUCHED and next(countdown, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def write_and_die(database: Path) -> None:
    """Commit a model to a branch's file and be killed before DuckDB moves it there from its log."""
    with duckdb.connect(database) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.kept as select 7 as x")
        os.kill(os.getpid(), signal.SIGKILL)


def hold_open(database: Path, ready: Any, release: Any) -> None:
    """Be a writer that is still there."""
    with duckdb.connect(database):
        ready.set()
        release.wait()


def count_events(home: Path, result: Any) -> None:
    """Tell how many files a run touches."""
    seen: list[str] = []
    sys.addaudithook(lambda name, _: seen.append(name) if name in TOUCHED else None)
    run_once(home)
    result.value = len(seen)


def merge_rounds(home: Path, name: str, worker: int, rounds: int, start: Any) -> None:
    """Merge into one table of one branch while others do: keys of one's own and shared ones, moving."""
    table = opened(home).branch(name).table("glucose_entries")
    start.wait()
    for number in range(rounds):
        own = entry(f"{worker}-{number}", JANUARY + timedelta(days=number))
        shared = entry("shared", JANUARY + timedelta(days=40 * number), sgv=float(10 * number + worker))
        merge(table, frame([own, shared]))


def promote_when_told(home: Path, name: str, head: str, start: Any, outcome: Any) -> None:
    """Promote a branch that others compete with; 1 for main, 2 for a conflict."""
    lakehouse = opened(home)
    start.wait()
    try:
        lakehouse.promote(name, head)
        outcome.value = 1
    except ConflictError:
        outcome.value = 2


def started(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    process = processes.Process(target=target, args=arguments)
    process.start()
    return process
