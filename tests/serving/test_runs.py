"""`ops.runs`: one row a try of a run, from the moment it has the lease."""

from datetime import timedelta

import psycopg
import pytest

from include.serving.lease import Lease, Leases, Owner
from include.serving.operations import TABLES, prepare
from include.serving.postgres import Postgres, reader
from include.serving.runs import FAILED, SUCCEEDED, Ending, end_run, last_runs
from include.settings import Settings

HOUR = timedelta(hours=1)
FIRST = Owner("nightscout_glucose", "scheduled__1", "/home/airflow", 100, "laptop")
SECOND = Owner("nightscout_glucose", "manual__2", "/home/airflow", 200, "laptop")
COUNTS = {"received": 6, "accepted": 5, "quarantined": 1, "inserted": 3, "updated": 1, "deleted": 2}


@pytest.fixture
def leases(postgres: Postgres) -> Leases:
    return Leases(postgres)


def take(leases: Leases, owner: Owner) -> Lease:
    lease = leases.take(owner, HOUR, lambda _: True)
    assert lease is not None
    return lease


def test_who_takes_the_lease_has_a_row_without_an_end(leases: Leases) -> None:
    assert last_runs(leases.postgres) == []
    lease = take(leases, FIRST)
    (row,) = last_runs(leases.postgres)
    assert (row["lease_number"], row["dag_id"], row["run_id"]) == (
        lease.number,
        "nightscout_glucose",
        "scheduled__1",
    )
    assert row["taken_at"] == lease.taken_at
    assert (row["ended_at"], row["outcome"], row["version"], row["received"]) == (None, None, None, None)


def test_who_waits_for_the_lease_has_none(leases: Leases) -> None:
    take(leases, FIRST)
    assert leases.take(SECOND, HOUR, lambda _: False) is None
    assert [row["run_id"] for row in last_runs(leases.postgres)] == ["scheduled__1"]


def test_a_killed_run_keeps_its_row_without_an_end(leases: Leases) -> None:
    take(leases, FIRST)
    lease = take(leases, SECOND)
    end_run(leases.postgres, lease.number, Ending(SUCCEEDED))
    second, first = last_runs(leases.postgres)
    assert (second["run_id"], second["outcome"]) == ("manual__2", "succeeded")
    assert (first["run_id"], first["outcome"], first["ended_at"]) == ("scheduled__1", None, None)
    assert [row["run_id"] for row in last_runs(leases.postgres, 1)] == ["manual__2"]


def test_the_end_says_what_happened_and_may_be_written_twice(leases: Leases) -> None:
    lease = take(leases, FIRST)
    ending = Ending(
        FAILED,
        reason="site a: 401",
        left_out=("a",),
        version="run-1",
        published=True,
        counts=COUNTS,
        warnings=("late",),
    )
    end_run(leases.postgres, lease.number, ending)
    (row,) = last_runs(leases.postgres)
    end_run(leases.postgres, lease.number, ending)
    assert last_runs(leases.postgres) == [row]
    assert row["ended_at"] > row["taken_at"]
    assert {name: row[name] for name in COUNTS} == COUNTS
    assert (row["outcome"], row["reason"], row["left_out"], row["version"]) == (
        "failed",
        "site a: 401",
        ["a"],
        "run-1",
    )
    assert (row["published"], row["warnings"]) == (True, ["late"])


def test_a_run_that_takes_its_lease_again_is_under_way_again(leases: Leases) -> None:
    lease = take(leases, FIRST)
    end_run(leases.postgres, lease.number, Ending(FAILED, reason="killed before it gave the lease back"))
    assert take(leases, FIRST).number == lease.number
    (row,) = last_runs(leases.postgres)
    assert (row["outcome"], row["ended_at"], row["reason"]) == (None, None, None)


def test_an_outcome_is_one_of_three(leases: Leases) -> None:
    lease = take(leases, FIRST)
    with pytest.raises(psycopg.errors.CheckViolation):
        end_run(leases.postgres, lease.number, Ending("fine"))


def test_a_database_of_an_older_program_gets_the_table(postgres: Postgres) -> None:
    prepare(postgres)
    with postgres.transaction() as connection:
        connection.execute("drop table ops.runs")
    prepare(postgres)
    assert last_runs(postgres) == []
    assert "create table if not exists ops.runs" in TABLES


def test_readers_do_not_see_them(leases: Leases, postgres_settings: Settings) -> None:
    take(leases, FIRST)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        reader(postgres_settings).transaction() as connection,
    ):
        connection.execute("select * from ops.runs")
