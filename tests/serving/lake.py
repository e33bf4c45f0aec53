"""Two stand-ins for a version of the lake: one made by DuckDB, one so light that a test may fork it."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa

from include.serving.published_models import PublishedModel

NUMBERS = count()


def published(
    name: str,
    *,
    key: tuple[str, ...] = ("site_id",),
    indexes: tuple[tuple[str, ...], ...] = (),
    columns: Mapping[str, str] | None = None,
    description: str = "",
    schema: str = "marts",
) -> PublishedModel:
    return PublishedModel(name, schema, columns or {}, key, indexes, description)


@cache
def engine() -> duckdb.DuckDBPyConnection:
    """One DuckDB for a whole session of tests: loading its extension costs more than most of them."""
    package = find_spec("duckdb_extension_postgres_scanner")
    assert package
    assert package.submodule_search_locations
    (extension,) = Path(package.submodule_search_locations[0]).rglob("*.duckdb_extension")
    database = duckdb.connect()
    database.execute(f"load '{extension}'")
    return database


@cache
def attached(conninfo: str) -> str:
    """The name under which the engine knows a Postgres."""
    name = f"postgres_{next(NUMBERS)}"
    engine().execute(f"attach '{conninfo}' as {name} (type postgres)")
    return name


class DuckdbVersion:
    """A version in memory, filled by SQL; copied as an engine does it, by CREATE TABLE AS in Postgres."""

    def __init__(self, name: str, statements: Sequence[str], *, loses_rows: bool = False) -> None:
        self.name = name
        self.loses_rows = loses_rows
        self.database = engine().cursor()
        catalog = f"version_{next(NUMBERS)}"
        self.database.execute(f"attach ':memory:' as {catalog}; use {catalog}; set TimeZone = 'UTC'")
        self.database.execute("create schema marts; create schema gold")
        for statement in statements:
            self.database.execute(statement)

    def query(self, sql: str) -> pa.Table:
        return self.database.sql(sql).to_arrow_table()

    def copy_to_postgres(
        self, models: Sequence[tuple[str, str]], postgres: Mapping[str, Any], staging_schema: str
    ) -> dict[str, int]:
        target = attached(psycopg.conninfo.make_conninfo("", **postgres))
        self.database.execute("call pg_clear_cache()")
        counts = {}
        for schema, table in models:
            source = f"{schema}.{table}"
            counts[table] = len(self.database.sql(f"from {source}"))
            rows = f"from {source} limit {counts[table] - self.loses_rows}"
            self.database.execute(f"create table {target}.{staging_schema}.{table} as {rows}")
        return counts


class NumberedVersion:
    """Version n: tables of 50 rows that all say n, written to staging without any engine."""

    SCHEMA = pa.schema([("site_id", pa.string()), ("slot", pa.int64()), ("number", pa.int64())])

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"version {number}"

    def query(self, sql: str) -> pa.Table:
        if "limit 0" in sql:
            return self.SCHEMA.empty_table()
        names = sql.split("'")[1::2]
        return pa.table({"name": names, "row_count": [50] * len(names)})

    def copy_to_postgres(
        self, models: Sequence[tuple[str, str]], postgres: Mapping[str, Any], staging_schema: str
    ) -> dict[str, int]:
        with psycopg.connect("", autocommit=True, **postgres) as connection:
            for _, table in models:
                connection.execute(
                    f"create table {staging_schema}.{table} (site_id text, slot bigint, number bigint)"
                )
                with connection.cursor().copy(f"copy {staging_schema}.{table} from stdin") as copy:
                    for slot in range(50):
                        copy.write_row(("home", slot, self.number))
        return {table: 50 for _, table in models}
