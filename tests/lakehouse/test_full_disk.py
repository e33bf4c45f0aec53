"""A disk that fills up in the middle of a change: one sentence, and what was there is there still."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.errors import ServiceError
from include.lakehouse import Branch, Lakehouse, Reference
from include.lakehouse.engine import FILE, writing
from include.schemas import RAW_TABLES
from tests.full_disks import KINDS, Disk, disk_of
from tests.lakehouse.crashing import opened
from tests.lakehouse.raw_rows import entry, frame, merge

MARCH = datetime(2025, 3, 10, 12, tzinfo=UTC)
ROOMS = (0, 8192, 65_536, 270_000, 400_000)  # bytes; each stops another write, the last one few
ADVICE = ("is full: free some space and run again", "see that its disk is not full and run again")


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with disk_of(request.param, tmp_path) as disk:
        yield disk


@pytest.fixture
def lakehouse(disk: Disk) -> Lakehouse:
    lakehouse = opened(disk.folder / "home")
    first = lakehouse.open_branch("first", None)
    merge(first.table("glucose_entries"), frame([entry("a", MARCH)]))
    first.refresh_views()
    lakehouse.promote("first", first.head())
    return lakehouse


def is_done(change: Callable[[], object]) -> bool:
    """Whether there was room; when not, one sentence says what to do and where."""
    said = refusal(change)
    assert said is None or re.fullmatch(rf".*/home/lake.*({'|'.join(ADVICE)}).*", said), said
    return said is None


def refusal(change: Callable[[], object]) -> str | None:
    try:
        change()
    except ServiceError as error:
        return str(error)
    return None


def readings(lakehouse: Lakehouse) -> list[str]:
    found = lakehouse.at("main").query("select _id from raw.glucose_entries order by _id")
    return list(found["_id"].to_pylist())


@pytest.mark.parametrize("room", ROOMS)
def test_the_first_branch(disk: Disk, room: int) -> None:
    empty = opened(disk.folder / "home")
    with disk.with_room(room):
        is_done(lambda: empty.open_branch("first", None))
    assert empty.main_version() is None
    empty.open_branch("first", None).refresh_views()


@pytest.mark.parametrize("room", ROOMS)
def test_new_tables_and_views(disk: Disk, lakehouse: Lakehouse, room: int) -> None:
    branch = lakehouse.open_branch("second", None)
    with disk.with_room(room):
        is_done(branch.refresh_views)
        assert branch.query("select 1 as one").to_pylist() == [{"one": 1}]
        assert readings(lakehouse) == ["a"]
    branch.refresh_views()
    found = {name: branch.query(f"from raw.{name}").num_rows for name in RAW_TABLES}
    assert found == dict.fromkeys(RAW_TABLES, 0)


@pytest.mark.parametrize("room", ROOMS)
def test_a_merge(disk: Disk, lakehouse: Lakehouse, room: int) -> None:
    branch = lakehouse.open_branch("second", "first")
    with disk.with_room(room):
        is_done(lambda: merge(branch.table("glucose_entries"), frame([entry("b", MARCH)])))
        assert readings(lakehouse) == ["a"]
    merge(branch.table("glucose_entries"), frame([entry("b", MARCH)]))
    branch.refresh_views()
    lakehouse.promote("second", branch.head())
    assert readings(lakehouse) == ["a", "b"]


@pytest.mark.parametrize("room", ROOMS)
def test_models(disk: Disk, lakehouse: Lakehouse, room: int) -> None:
    """What DuckDB has committed is in its log when there was no room in its file: it is read there."""
    branch = lakehouse.open_branch("second", "first")
    with disk.with_room(room):
        is_written = is_done(lambda: write_models(branch, disk.folder / "home"))
        models = models_of(branch)
        assert models == ["numbers"] or not is_written
        is_promoted = is_done(lambda: lakehouse.promote("second", branch.head()))
        assert lakehouse.main_version() == ("second" if is_promoted else "first")
    lakehouse.promote("second", branch.head())
    assert models_of(lakehouse.at("main")) == models
    assert sorted(path.name for path in branch.dbt_folder().glob("lake*")) == [FILE]


def test_each_change_was_stopped_by_some_room_and_not_by_another(disk: Disk, lakehouse: Lakehouse) -> None:
    done = []
    for room in ROOMS:
        branch = lakehouse.open_branch("second", None)
        with disk.with_room(room):
            done.append(is_done(branch.refresh_views))
    assert set(done) == {True, False}


def write_models(branch: Branch, home: Path) -> None:
    with writing(home, branch.dbt_folder() / FILE) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.numbers as select range as n, random() as r from range(20000)")


def models_of(reference: Reference) -> list[str]:
    found = reference.query("select table_name from duckdb_tables() where database_name = 'lake'")
    return list(found["table_name"].to_pylist())
