"""The lease, on a real Postgres, by real processes."""

import json
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import psycopg
import pytest

from include.errors import LeaseLostError, ServiceError
from include.serving.lease import Lease, Leases, Owner
from include.serving.postgres import Postgres

HOUR = timedelta(hours=1)
OVER = timedelta(0)
FIRST = Owner("nightscout_glucose", "scheduled__1", "/home/airflow", 100, "laptop")
SECOND = Owner("nightscout_glucose", "manual__2", "/home/airflow", 200, "laptop")
THIRD = Owner("nightscout_glucose", "backfill__3", "/home/airflow", 300, "laptop")


def alive(owner: Owner) -> bool:
    return False


def ended(owner: Owner) -> bool:
    return True


def must_not_be_asked(owner: Owner) -> bool:
    raise AssertionError(owner)


def taken(lease: Lease | None) -> Lease:
    assert lease is not None
    return lease


@pytest.fixture
def leases(postgres: Postgres) -> Leases:
    return Leases(postgres)


def database_time(leases: Leases) -> datetime:
    with leases.postgres.transaction() as connection:
        row = connection.execute("select now()").fetchone()
    assert row
    return row[0]


def test_one_holder_at_a_time(leases: Leases) -> None:
    assert leases.holder() is None
    before = database_time(leases)
    lease = taken(leases.take(FIRST, HOUR, must_not_be_asked))
    assert lease.owner == FIRST
    assert before < lease.taken_at < database_time(leases)
    assert lease.taken_at.tzinfo is not None
    leases.check(lease)

    assert leases.take(SECOND, HOUR, alive) is None
    assert leases.holder() == FIRST
    leases.check(lease)

    leases.release(lease)
    assert leases.holder() is None
    assert taken(leases.take(SECOND, HOUR, must_not_be_asked)).number == lease.number + 1


def test_the_same_run_gets_its_lease_again_from_any_process(leases: Leases) -> None:
    first = taken(leases.take(FIRST, HOUR, must_not_be_asked))
    elsewhere = replace(FIRST, pid=101, host="worker")
    again = taken(leases.take(elsewhere, HOUR, must_not_be_asked))
    assert (again.number, again.taken_at) == (first.number, first.taken_at)
    assert leases.holder() == elsewhere  # where it is looked for when it seems to have ended
    leases.check(first)


@pytest.mark.parametrize(
    "other",
    [replace(FIRST, home="/other/airflow"), replace(FIRST, dag_id="other"), replace(FIRST, run_id="o")],
)
def test_home_dag_and_run_make_the_owner(leases: Leases, other: Owner) -> None:
    lease = taken(leases.take(FIRST, HOUR, alive))
    assert leases.take(other, HOUR, alive) is None
    leases.release(Lease(other, lease.number, lease.taken_at))
    leases.check(lease)


def test_an_expired_lease_is_taken_over(leases: Leases) -> None:
    lost = taken(leases.take(FIRST, OVER, alive))
    leases.check(lost)  # nobody has taken it yet
    lease = taken(leases.take(SECOND, HOUR, alive))
    assert lease.number == lost.number + 1
    assert lease.taken_at > lost.taken_at
    for use in (leases.check, leases.renew):
        with pytest.raises(LeaseLostError, match=r"scheduled__1 .*clear the whole run"):
            use(lost)
    with pytest.raises(LeaseLostError), leases.held(lost):
        raise AssertionError("entered without the lease")
    leases.release(lost)
    leases.check(lease)
    assert leases.take(FIRST, HOUR, alive) is None


def test_a_renewed_lease_is_not_expired(leases: Leases) -> None:
    lease = taken(leases.take(FIRST, HOUR, alive))
    with leases.postgres.transaction() as connection:
        connection.execute("update ops.lease set expires_at = now()")
    leases.renew(lease)
    assert leases.take(SECOND, HOUR, alive) is None
    with leases.postgres.transaction() as connection:
        row = connection.execute("select expires_at - now() > '59 minutes' from ops.lease").fetchone()
    assert row == (True,)


def test_an_ended_run_is_taken_over(leases: Leases) -> None:
    lost = taken(leases.take(FIRST, HOUR, alive))
    asked: list[Owner] = []

    def has_ended(owner: Owner) -> bool:
        asked.append(owner)
        return True

    lease = taken(leases.take(SECOND, HOUR, has_ended))
    assert asked == [FIRST]
    assert lease.number == lost.number + 1
    with pytest.raises(LeaseLostError):
        leases.check(lost)


@pytest.mark.parametrize("meanwhile", [FIRST, THIRD])
def test_whoever_takes_it_while_the_owner_is_looked_up_keeps_it(leases: Leases, meanwhile: Owner) -> None:
    """The run that seemed to have ended was cleared and renews; or another waiting run was faster."""
    leases.take(FIRST, HOUR, alive)
    winners = []

    def has_ended(owner: Owner) -> bool:
        winners.append(taken(leases.take(meanwhile, HOUR, ended)))
        return True

    assert leases.take(SECOND, HOUR, has_ended) is None
    assert leases.holder() == meanwhile
    leases.check(winners[0])


def test_a_run_that_released_and_takes_again_has_a_new_number(leases: Leases) -> None:
    first = taken(leases.take(FIRST, HOUR, alive))
    leases.release(first)
    leases.release(first)
    with pytest.raises(LeaseLostError):
        leases.check(first)
    again = taken(leases.take(FIRST, HOUR, alive))
    assert again.number == first.number + 1
    leases.release(first)
    leases.check(again)


def test_a_lease_survives_json(leases: Leases) -> None:
    lease = taken(leases.take(FIRST, HOUR, alive))
    facts = json.loads(json.dumps(lease.as_dict() | {"branch": "beside"}))
    assert Lease.from_dict(facts) == lease


def test_nobody_takes_a_lease_that_is_held_in_a_transaction(leases: Leases) -> None:
    """Not even an expired one: the taker waits for the end of the promotion, then wins."""
    lease = taken(leases.take(FIRST, OVER, alive))
    order: list[str] = []

    def take() -> None:
        order.append("taken" if leases.take(SECOND, HOUR, alive) else "refused")

    waiter = threading.Thread(target=take)
    with leases.held(lease) as connection:
        waiter.start()
        waiters = "select count(*) from pg_locks where not granted and pid <> pg_backend_pid()"
        while connection.execute(waiters).fetchone() == (0,):
            assert waiter.is_alive()
        order.append("promoted")
    waiter.join(timeout=30)
    assert order == ["promoted", "taken"]


def test_what_is_written_under_the_lease_is_undone_when_the_block_fails(leases: Leases) -> None:
    lease = taken(leases.take(FIRST, HOUR, alive))
    half = "create table public.half as select 1 as number; select 1 / 0"
    with pytest.raises(psycopg.errors.DivisionByZero), leases.held(lease) as connection:
        connection.execute(half)
    with leases.postgres.transaction() as connection:
        assert connection.execute("select to_regclass('public.half')").fetchone() == (None,)
    leases.check(lease)


RACE = """
import json, sys
from datetime import timedelta
from include.serving.lease import Leases, Owner
from include.serving.postgres import Postgres

parameters = json.loads(sys.stdin.readline())
leases = Leases(Postgres(**parameters["postgres"]))
owner = Owner("dag", sys.argv[1], "home", 1, "host")
print("ready", flush=True)
sys.stdin.readline()
wins = []
while len(wins) < parameters["rounds"]:
    lease = leases.take(owner, timedelta(hours=1), has_ended=lambda _: False)
    if lease is None:
        continue
    with leases.postgres.transaction() as one, leases.postgres.transaction() as two:
        assert one.execute("select count(*) from public.inside").fetchone() == (0,)
        one.execute("insert into public.inside default values")
        one.commit()
        two.execute("delete from public.inside")
    wins.append(lease.number)
    leases.release(lease)
print(json.dumps(wins))
"""


def test_processes_that_race_never_hold_it_together(leases: Leases) -> None:
    with leases.postgres.transaction() as connection:
        connection.execute("drop table if exists public.inside")
        connection.execute("create table public.inside (entered_at timestamptz default now())")
    parameters = json.dumps({"postgres": asdict(leases.postgres), "rounds": 8})
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, f"run {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for racer in racers:
        assert racer.stdin
        assert racer.stdout
        racer.stdin.write(parameters + "\n")
        racer.stdin.flush()
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]
    numbers = [number for wins in said for number in wins]
    assert sorted(numbers) == list(range(1, 33))  # every take another number, none skipped, none twice
    assert all(wins == sorted(wins) for wins in said)


def test_of_many_that_see_the_same_ended_owner_one_wins(leases: Leases) -> None:
    leases.take(FIRST, HOUR, alive)
    together = threading.Barrier(8)

    def has_ended(owner: Owner) -> bool:
        assert owner == FIRST
        together.wait(timeout=30)  # all have seen the ended owner before any takes over
        return True

    results: list[Lease | None] = []
    takers = [
        threading.Thread(
            target=lambda owner: results.append(leases.take(owner, HOUR, has_ended)),
            args=(replace(SECOND, run_id=f"run {number}"),),
        )
        for number in range(8)
    ]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join(timeout=30)
    winners = [lease for lease in results if lease]
    assert len(results) == 8
    assert [winner.number for winner in winners] == [2]
    leases.check(winners[0])


def test_without_postgres_there_is_one_sentence(leases: Leases, postgres: Postgres) -> None:
    closed = Leases(replace(postgres, port=1))
    with pytest.raises(
        ServiceError,
        match=r"^Postgres on 127\.0\.0\.1:1 is not usable \(.*refused\): see that it runs, then try again$",
    ) as refused:
        closed.take(FIRST, HOUR, alive)
    assert postgres.password not in str(refused.value)
