"""Reading one version with DuckDB, without being able to write anything or to read anything else.

What guards it: a single statement that DuckDB's parser calls a SELECT; the version's file attached
read-only; files outside the warehouse and the network closed by configuration, which is then locked.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from include.disk import full_disk, says_full
from include.errors import BranchError, InputError, ServiceError
from include.lakehouse.extensions import engine_configuration, extension_directory
from include.lakehouse.interface import RAW

CATALOG = "lake"  # the views in the file name it, so it must always be attached as this
FILE = "lake.duckdb"
LOGS = tuple(f"{FILE}.wal{kind}" for kind in ("", ".checkpoint", ".recovery"))  # what writers may leave
MEMORY = "256MB"  # a query that needs more goes to the disk

Parameters = Sequence[object] | Mapping[str, object]


class Engine:
    """DuckDB in memory, made at the first query; the version's file is open only while a query runs."""

    def __init__(self, home: Path, database: Path, warehouse: Path) -> None:
        self._home = home
        self._database = database
        self._warehouse = warehouse
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._process = 0

    def tables(self, sql: str, parameters: Parameters, rows: int) -> Iterator[pa.Table]:
        """The result of one query, at least one table, each of about `rows` rows.

        Raises InputError for what cannot be asked, ServiceError when it needs more room than the disk has.
        """
        check_is_query(sql)
        with _room(self._home), self._attached() as connection, _clear_words():
            yield from answer(connection, sql, parameters, rows)

    @contextmanager
    def _attached(self) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = self._connected()
        with _one_at_a_time(self._database):
            connection.execute(f"attach {literal(self._database)} as {CATALOG} (read_only)")
        connection.execute(f"use {CATALOG}")
        try:
            yield connection
        finally:
            connection.execute("use memory")
            connection.execute(f"detach {CATALOG}")

    def _connected(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None or self._process != os.getpid():  # its threads do not survive a fork
            self._connection, self._process = self._connect(), os.getpid()
        return self._connection

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config=engine_configuration(extension_directory(self._home)))
        files = [self._database, *map(self._database.with_name, LOGS)]
        for statement in (
            "load avro",
            "load iceberg",
            "set TimeZone = 'UTC'",
            f"set memory_limit = '{MEMORY}'",
            f"set temp_directory = {literal(self._home / 'spill')}",
            f"set allowed_directories = [{literal(f'{self._warehouse}/')}]",
            f"set allowed_paths = [{', '.join(map(literal, files))}]",
            "set enable_external_access = false",
            "set lock_configuration = true",
        ):
            connection.execute(statement)
        return connection


@contextmanager
def writing(home: Path, database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The file of a branch, open for writing; created when absent, whole and without a log at the end.

    Raises BranchError when another process writes it, ServiceError when the disk is full.
    """
    with _room(database):
        with _one_at_a_time(database):
            connection = duckdb.connect(database, config=engine_configuration(extension_directory(home)))
        with connection:
            yield connection
            connection.execute("checkpoint")  # what closing does too, but without a word when it fails


def show_tables(connection: duckdb.DuckDBPyConnection, locations: Mapping[str, str]) -> None:
    """Make `raw.<table>` a view over each table's metadata file, which pins the snapshot."""
    connection.execute(f"create schema if not exists {RAW}")
    present = dict(
        connection.execute(
            "select view_name, sql from duckdb_views() where schema_name = ?", [RAW]
        ).fetchall()
    )
    for name, location in locations.items():
        if literal(location) not in present.get(name, ""):
            view = f"create or replace view {RAW}.{identifier(name)}"
            connection.execute(f"{view} as select * from iceberg_scan({literal(location)})")  # noqa: S608


def drop_tables(connection: duckdb.DuckDBPyConnection, tables: Iterable[tuple[str, str, str]]) -> None:
    """Drop tables and views, each given as schema, name and kind."""
    for schema, name, kind in tables:
        connection.execute(f"drop {kind} {identifier(schema)}.{identifier(name)}")


def literal(value: object) -> str:
    """A SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A SQL identifier, taken as it is written."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _one_at_a_time(database: Path) -> Iterator[None]:
    try:
        yield
    except (duckdb.IOException, duckdb.ConnectionException, duckdb.BinderException) as error:
        if says_full(error):
            raise
        raise BranchError(
            f"{database} cannot be opened: it was removed, or another process is writing it ({error})"
        ) from error


@contextmanager
def _room(place: Path) -> Iterator[None]:
    """Turn what DuckDB says of a disk into one sentence. Raises ServiceError."""
    try:
        yield
    except duckdb.Error as error:
        if says_full(error):
            raise full_disk(place) from error
        if isinstance(error, duckdb.IOException | duckdb.FatalException):
            said = str(error).partition("\n")[0]
            raise ServiceError(f"{place} cannot be used ({said}): check its disk and run again") from error
        raise


def answer(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters, rows: int
) -> Iterator[pa.Table]:
    """The result of a statement in tables of about `rows` rows, at least one."""
    bindable = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
    reader = connection.execute(sql, bindable).to_arrow_reader(rows)
    empty = True
    for batch in reader:
        empty = False
        yield pa.Table.from_batches([batch])
    if empty:
        yield reader.schema.empty_table()


def rows_of(table: pa.Table) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of columns, of which two may be the same, and rows."""
    columns = [column.to_pylist() for column in table.columns]
    return table.column_names, list(zip(*columns, strict=True))


def check_is_query(sql: str) -> None:
    """Raises InputError for anything but a single SELECT-like statement."""
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise _unanswerable(error) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InputError(
            "only a single query can be asked, such as: select * from marts.mrt_glucose_overview"
        )


@contextmanager
def _clear_words() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        if says_full(error):
            raise
        raise _unanswerable(error) from error


def _unanswerable(error: duckdb.Error) -> InputError:
    return InputError(f"the query cannot be answered: {error}")
