"""Reading any state of the lake with DuckDB, straight from the store: the same SQL and types as embedded.

What a hash names never changes, so a reader of it needs no lock and meets no other version. It is guarded as
`include.lakehouse.engine` is: one SELECT, no files but the warehouse's, a locked configuration.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa

from include.errors import InputError, ServiceError
from include.lakehouse.engine import MEMORY, Parameters, answer, check_is_query, identifier, literal
from include.lakehouse.extensions import engine_configuration, extension_directory
from include.lakehouse.interface import MODEL_SCHEMAS, RAW
from include.stack.connection import REGION, LakeConnection


class Reader:
    """DuckDB in memory, made at the first query. Raises ServiceError when the store is down."""

    def __init__(self, home: Path, connection: LakeConnection) -> None:
        self._home = home
        self._lake = connection
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        self._process = 0
        self._shown: dict[str, str] = {}

    def tables(
        self, locations: Mapping[str, str], sql: str, parameters: Parameters, rows: int
    ) -> Iterator[pa.Table]:
        """The result of one query over the tables at these metadata files, at least one table."""
        check_is_query(sql)
        with self._told():
            connection = self._connected()
            self._show(connection, locations, sql)
            yield from answer(connection, sql, parameters, rows)

    def _show(self, connection: duckdb.DuckDBPyConnection, locations: Mapping[str, str], sql: str) -> None:
        """Make a view of every table that the query names, and let no view of another state be seen."""
        for name in [name for name, location in self._shown.items() if locations.get(name) != location]:
            connection.execute(f"drop view {_quoted(name)}")
            del self._shown[name]
        named = _named(connection, sql)
        for name, location in locations.items():
            if name not in self._shown and (named is None or name.lower() in named):
                view = f"create view {_quoted(name)} as select * from iceberg_scan({literal(location)})"  # noqa: S608
                connection.execute(f"create schema if not exists {identifier(name.partition('.')[0])}")
                connection.execute(view)
                self._shown[name] = location

    def _connected(self) -> duckdb.DuckDBPyConnection:
        if self._duckdb is None or self._process != os.getpid():  # its threads do not survive a fork
            self._duckdb, self._process, self._shown = self._connect(), os.getpid(), {}
        return self._duckdb

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config=engine_configuration(extension_directory(self._home)))
        endpoint = urlsplit(self._lake.s3_endpoint)
        secret = {
            "key_id": self._lake.access_key_id,
            "secret": self._lake.secret_access_key,
            "endpoint": f"{endpoint.netloc}{endpoint.path}",
            "region": REGION,
            "url_style": "path",
            "use_ssl": str(endpoint.scheme == "https").lower(),
        }
        options = ", ".join(f"{name} {literal(value)}" for name, value in secret.items())
        for statement in (
            "load avro",
            "load httpfs",
            "load iceberg",
            "set TimeZone = 'UTC'",
            f"set memory_limit = '{MEMORY}'",
            f"set temp_directory = {literal(self._home / 'spill')}",
            "set http_retries = 2",
            f"create secret lake (type s3, {options})",
            *(f"create schema {schema}" for schema in (RAW, *MODEL_SCHEMAS)),
            f"set allowed_directories = [{literal(self._lake.warehouse.rstrip('/') + '/')}]",
            "set enable_external_access = false",
            "set lock_configuration = true",
        ):
            connection.execute(statement)
        return connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            said = str(error).partition("\n")[0].replace(self._lake.secret_access_key, "***")
            if isinstance(error, duckdb.IOException):
                raise ServiceError(
                    f"the S3 store on {self._lake.s3_endpoint} is not usable ({said}): see that it runs and "
                    "has the lake's files, then try again"
                ) from None
            raise InputError(f"the query cannot be answered: {error}") from error


def _named(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str] | None:
    """`schema.table`, in lower case, of every table that a query names; None when DuckDB does not tell."""
    ((text,),) = connection.execute("select json_serialize_sql($1)", [sql]).fetchall()
    tree = json.loads(text)
    return None if tree["error"] else set(_base_tables(tree))


def _base_tables(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            yield f"{node['schema_name']}.{node['table_name']}".lower()
        for child in node.values():
            yield from _base_tables(child)
    elif isinstance(node, list):
        for child in node:
            yield from _base_tables(child)


def _quoted(name: str) -> str:
    schema, _, table = name.partition(".")
    return f"{identifier(schema)}.{identifier(table)}"
