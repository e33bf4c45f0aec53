"""Nothing is removed under a run that is writing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from include.lakehouse import Lakehouse, open_lakehouse
from include.run.turn import owner_of_this_process, process_has_ended
from include.serving.lease import Leases, Owner
from include.serving.postgres import ensure
from tests.cli.homes import Home

HOUR = timedelta(hours=1)
WRITER = owner_of_this_process("nightscout_glucose", "manual__1")
GONE = replace(WRITER, home="nightscout_glucose#1.0")  # another process had the number then


@contextmanager
def lease_of(home: Home, owner: Owner, life: timedelta) -> Iterator[None]:
    leases = Leases(ensure(home.as_settings()))
    lease = leases.take(owner, life, process_has_ended)
    assert lease is not None
    try:
        yield
    finally:
        if home.path.exists():
            leases.release(lease)


@pytest.fixture
def lakehouse(empty: Home) -> Lakehouse:
    lakehouse = open_lakehouse(empty.as_settings())
    lakehouse.open_branch("mine", None, run_id=WRITER.run_id)
    lakehouse.open_branch("older", None, run_id="manual__0")
    lakehouse.open_branch("scratch", None)
    return lakehouse


def test_the_branch_of_the_run_that_writes_is_not_dropped(empty: Home, lakehouse: Lakehouse) -> None:
    with lease_of(empty, WRITER, HOUR):
        done = empty.lakehouse("branch", "drop", "mine")
        assert done.code == 2
        assert done.sentence == (
            "lakehouse: nightscout_glucose manual__1 is writing branch mine: "
            "wait for it to end, or stop it first"
        )
        assert {branch.name for branch in lakehouse.branches()} == {"mine", "older", "scratch"}
        for other in ("older", "scratch"):
            assert empty.lakehouse("branch", "drop", other).code == 0
    assert empty.lakehouse("branch", "drop", "mine").code == 0
    assert lakehouse.branches() == []


@pytest.mark.parametrize(("owner", "life"), [(WRITER, timedelta(0)), (GONE, HOUR)], ids=["expired", "gone"])
def test_a_run_that_is_over_keeps_nothing(
    empty: Home, lakehouse: Lakehouse, owner: Owner, life: timedelta
) -> None:
    with lease_of(empty, owner, life):
        assert empty.lakehouse("branch", "drop", "mine").code == 0
        assert empty.lakehouse("clean").code == 0
    assert not empty.path.exists()


def test_nothing_is_cleaned_under_a_run(empty: Home, lakehouse: Lakehouse) -> None:
    with lease_of(empty, WRITER, HOUR):
        before = sorted(empty.path.iterdir())
        done = empty.lakehouse("clean")
        assert done.code == 2
        assert done.sentence == (
            f"lakehouse: nightscout_glucose manual__1 is writing in {empty.path}, nothing was removed: "
            "wait for it to end, or stop it first"
        )
        assert sorted(empty.path.iterdir()) == before
        assert {branch.name for branch in lakehouse.branches()} == {"mine", "older", "scratch"}
    assert empty.lakehouse("clean").code == 0
    assert not empty.path.exists()
