"""Copying models of a version into a staging schema of Postgres, by the engine itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from include.errors import PublishError
from include.lakehouse.engine import CATALOG, identifier, literal
from include.lakehouse.extensions import engine_configuration, extension_directory

_SECRET_NAMES = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}

# Postgres has no unsigned and no 128-bit integers; a number that does not fit fails, nothing is rounded.
_NARROWER = {
    "UTINYINT": "SMALLINT",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "UBIGINT": "BIGINT",
    "HUGEINT": "BIGINT",
    "UHUGEINT": "BIGINT",
}


def copy_models(
    home: Path,
    database: Path,
    models: Sequence[tuple[str, str]],
    postgres: Mapping[str, Any],
    staging_schema: str,
) -> dict[str, int]:
    """Copy each model (schema, table) of the version's file; gives its rows. Raises PublishError."""
    password = str(postgres["password"])
    try:
        with duckdb.connect(config=engine_configuration(extension_directory(home))) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"attach {literal(database)} as {CATALOG} (read_only)")
            _attach(connection, postgres)
            connection.execute(f"create schema if not exists postgres.{identifier(staging_schema)}")
            return {table: _copy(connection, schema, table, staging_schema) for schema, table in models}
    except duckdb.Error as error:
        said = str(error).replace(password, "***")
        raise PublishError(
            f"the tables cannot be copied to Postgres, readers keep the last ones: {said}"
        ) from None


def _attach(connection: duckdb.DuckDBPyConnection, postgres: Mapping[str, Any]) -> None:
    # A secret, not a connection string: DuckDB quotes the string in its errors and lists it as a path.
    options = ", ".join(f"{name} {literal(postgres[key])}" for key, name in _SECRET_NAMES.items())
    connection.execute(f"create secret publication (type postgres, {options})")
    connection.execute("attach '' as postgres (type postgres, secret publication)")


def _copy(connection: duckdb.DuckDBPyConnection, schema: str, table: str, staging_schema: str) -> int:
    source = f"{CATALOG}.{identifier(schema)}.{identifier(table)}"
    target = f"postgres.{identifier(staging_schema)}.{identifier(table)}"
    columns = connection.execute(f"describe {source}").fetchall()
    selected = ", ".join(
        f"cast({identifier(name)} as {_NARROWER[kind]}) as {identifier(name)}"
        if kind in _NARROWER
        else identifier(name)
        for name, kind, *_ in columns
    )
    connection.execute(f"drop table if exists {target}")
    connection.execute(f"create table {target} as select {selected} from {source}")  # noqa: S608
    ((count,),) = connection.execute(f"select count(*) from {source}").fetchall()  # noqa: S608
    return int(count)
