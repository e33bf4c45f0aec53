"""Whenever a process is killed, and whoever else writes: main is one whole version."""

import signal
from itertools import pairwise
from pathlib import Path

from include.lakehouse import Lakehouse
from tests.lakehouse.crashing import (
    JANUARY,
    count_events,
    expected_after,
    merge_rounds,
    number_of,
    opened,
    processes,
    promote_when_told,
    run_once,
    run_then_die,
    started,
)
from tests.lakehouse.raw_rows import entry, frame, merge, stored

KILLS = 20
SEED = 20250310


def check_whole(lakehouse: Lakehouse, ref: str) -> None:
    rows = stored(lakehouse.at(ref).table("glucose_entries"))
    found = {key: (row["reading_at"], row["sgv"]) for (_, key), row in rows.items()}
    assert found == expected_after(number_of(lakehouse, ref))


def test_main_is_whole_whenever_a_run_is_killed(home: Path) -> None:
    events = processes.Value("i", 0)
    first = started(count_events, home, events)
    first.join()
    assert first.exitcode == 0
    deaths: set[int | None] = set()
    numbers = [0]
    for kill in range(KILLS):
        process = started(run_then_die, home, SEED + kill, events.value)
        process.join()
        deaths.add(process.exitcode)
        lakehouse = opened(home)
        main = lakehouse.main_version()
        assert main is not None
        check_whole(lakehouse, main)
        numbers.append(number_of(lakehouse, main))
        assert numbers[-1] - numbers[-2] in (1, 2)  # the run before the kill counts, the killed one may
    assert deaths - {0} == {-signal.SIGKILL, -signal.SIGALRM}
    assert {b - a for a, b in pairwise(numbers[1:])} == {
        1,
        2,
    }  # some died early, some late
    run_once(home)
    lakehouse = opened(home)
    for version in lakehouse.history():
        check_whole(lakehouse, version.name)
    count = lakehouse.at().query("select count(*) as n from raw.glucose_entries").to_pylist()
    assert count == [{"n": len(expected_after(number_of(lakehouse, lakehouse.history()[0].name)))}]
    assert [branch.name for branch in lakehouse.branches() if not branch.is_promoted] == []
    assert [path.name for path in (home / "lake" / "versions").glob(".*")] == []


def test_two_processes_merge_into_one_table(home: Path) -> None:
    workers, rounds = 2, 4  # fewer rounds than tries, so that nobody can lose every time
    table = opened(home).open_branch("shared", None).table("glucose_entries")
    start = processes.Barrier(workers)
    running = [started(merge_rounds, home, "shared", worker, rounds, start) for worker in range(workers)]
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * workers
    rows = stored(table.refresh())
    assert set(rows) == {
        ("home", "shared"),
        *(("home", f"{worker}-{number}") for worker in range(workers) for number in range(rounds)),
    }
    last = {10 * (rounds - 1) + worker for worker in range(workers)}
    assert rows["home", "shared"]["sgv"] in last


def test_of_two_branches_with_one_base_only_one_is_promoted(home: Path) -> None:
    run_once(home)
    lakehouse = opened(home)
    base, names = lakehouse.main_version(), ("left", "right")
    heads = {}
    for name in names:
        branch = lakehouse.open_branch(name, base)
        merge(branch.table("glucose_entries"), frame([entry(name, JANUARY)]))
        heads[name] = branch.head()
    start = processes.Barrier(2)
    outcomes = {name: processes.Value("i", 0) for name in names}
    running = [started(promote_when_told, home, name, heads[name], start, outcomes[name]) for name in names]
    for process in running:
        process.join()
    assert sorted(outcome.value for outcome in outcomes.values()) == [1, 2]
    winner = next(name for name in names if outcomes[name].value == 1)
    assert lakehouse.main_version() == winner
    assert ("home", winner) in stored(lakehouse.at().table("glucose_entries"))
