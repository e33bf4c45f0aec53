"""What readers see while one version replaces the other, again and again."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg

from include.serving.lease import Leases, Owner
from include.serving.postgres import Postgres, reader
from include.serving.publish import publish
from include.settings import Settings
from tests.serving.lake import DuckdbVersion, published

ROWS = 2_000
PUBLICATIONS = 30
MODELS = [published("hours", key=("slot",), indexes=(("number",),)), published("days", key=("slot",))]
LAKE = [
    "create table numbers as select 0::bigint as number",
    "create view marts.hours as select slot, number from numbers, range(2000) as slots (slot)",
    "create view marts.days as table marts.hours",
]
WHOLE = "select count(*), min(number), max(number) from marts.{table}"
TOGETHER = """
select min(number), max(number), count(distinct table_name), count(*) from (
    select number, 'hours' as table_name from marts.hours
    union all select number, 'days' from marts.days
    union all select substr(version, 9)::bigint, 'version' from ops.publication
) as everything
"""


def one_statement_for_all(connection: psycopg.Connection[Any]) -> None:
    connection.autocommit = True
    least, greatest, tables, rows = connection.execute(TOGETHER).fetchone() or ()
    assert least == greatest
    assert (tables, rows) == (3, 2 * ROWS + 1)


def one_table_a_statement(connection: psycopg.Connection[Any]) -> None:
    connection.autocommit = True
    for table in ("hours", "days"):
        count, least, greatest = connection.execute(WHOLE.format(table=table)).fetchone() or ()
        assert (count, least) == (ROWS, greatest)


def one_snapshot_for_all(connection: psycopg.Connection[Any]) -> None:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        (version,) = connection.execute("select version from ops.publication").fetchone() or ()
        number = int(version.removeprefix("version "))
        for table in ("days", "hours", "days"):
            assert connection.execute(WHOLE.format(table=table)).fetchone() == (ROWS, number, number)


class Reader(threading.Thread):
    """Reads until told to stop; keeps what went wrong."""

    def __init__(self, postgres: Postgres, read: Callable[[psycopg.Connection[Any]], None]) -> None:
        super().__init__()
        self.postgres = postgres
        self.read = read
        self.enough = threading.Event()
        self.reads = 0
        self.wrong: Exception | None = None

    def run(self) -> None:
        try:
            with psycopg.connect("", **self.postgres.parameters) as connection:
                while not self.enough.is_set():
                    self.read(connection)
                    self.reads += 1
        except Exception as error:  # noqa: BLE001 (whatever it is, the test shows it)
            self.wrong = error


def test_readers_see_whole_versions_only(postgres: Postgres, postgres_settings: Settings) -> None:
    leases = Leases(postgres)
    lease = leases.take(Owner("dag", "run", "home", 1, "host"), timedelta(hours=1), lambda _: False)
    assert lease
    lake = DuckdbVersion("version 0", LAKE)
    publish(lake, postgres, MODELS, lease, leases, "run")
    with postgres.transaction() as connection:
        connection.execute("create view public.latest as select max(number) as number from marts.days")

    reads = (one_table_a_statement, one_statement_for_all, one_snapshot_for_all)
    readers = [Reader(reader(postgres_settings), read) for read in reads]
    for one in readers:
        one.start()
    for number in range(1, PUBLICATIONS + 1):
        lake.name = f"version {number}"
        lake.database.execute("update numbers set number = ?", [number])
        publish(lake, postgres, MODELS, lease, leases, "run")
    for one in readers:
        one.enough.set()
        one.join(timeout=30)
    assert [one.wrong for one in readers] == [None] * 3
    assert min(one.reads for one in readers) > PUBLICATIONS
    with postgres.transaction() as connection:
        assert connection.execute("table public.latest").fetchone() == (PUBLICATIONS,)


def test_a_snapshot_taken_before_a_publication_keeps_its_rows(postgres: Postgres) -> None:
    """Also of tables that it reads for the first time after it, and when their shape changed."""
    leases = Leases(postgres)
    lease = leases.take(Owner("dag", "run", "home", 1, "host"), timedelta(hours=1), lambda _: False)
    assert lease
    one = [
        "create table marts.days as select 1 as slot, 1 as number",
        "create table marts.hours as table marts.days",
    ]
    two = [
        "create table marts.days as select 2 as slot, 2 as number",
        "create table marts.hours as table marts.days",
    ]
    wider = [*two, "alter table marts.days add column extra integer"]
    publish(DuckdbVersion("one", one), postgres, MODELS, lease, leases, "run")
    with psycopg.connect("", **postgres.parameters) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert old.execute("select version from ops.publication").fetchone() == ("one",)
        publish(DuckdbVersion("two", wider), postgres, MODELS, lease, leases, "run")
        assert old.execute("select slot, number from marts.days").fetchall() == [(1, 1)]
        assert old.execute("select slot, number from marts.hours").fetchall() == [(1, 1)]
    with postgres.transaction() as new:
        assert new.execute("select slot, number, extra from marts.days").fetchall() == [(2, 2, None)]
