"""Queries through Trino, and the end of those that a dead run left behind."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from trino.dbapi import Connection, Cursor, connect
from trino.exceptions import DatabaseError, Error, TrinoQueryError

from include.connections import FindConnection
from include.errors import InputError, ServiceError, SettingsError
from include.stack.service import HOST

PIPELINE = "nightscout"  # whose left-over queries may be killed: nobody else may use this name
READER = "reader"
PUBLISHED = "postgres"  # the catalog of the published database
MAIN_CATALOG = "lake"
WORKING_CATALOG = "nightscout"
CONNECTION = "lakehouse_trino"  # of Airflow: host and port of a server of one's own

PORT = 8080

_SOURCE = "lakehouse"
_GUARD = "lakehouse guard"
_PATIENCE = 30.0
_TICK = 0.2
_LEFT = f"""select query_id from system.runtime.queries
    where "user" = '{PIPELINE}' and source <> '{_GUARD}' and state not in ('FINISHED', 'FAILED')"""  # noqa: S608
_WRONG_QUERY = "USER_ERROR"
_OWN_FAILURE = re.compile(
    r"type=(?:INTERNAL_ERROR|EXTERNAL|INSUFFICIENT_RESOURCES)|TrinoConnectionError|Max retries exceeded"
)
# After comments and parentheses. Trino takes one statement at a time; none that begins so changes anything.
_QUERY = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:select|with|values|table|show|describe)\b", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Trino:
    """One server. Raises ServiceError when it does not answer or cannot reach what it reads."""

    port: int
    host: str = HOST

    @property
    def address(self) -> str:
        """For people."""
        return f"http://{self.host}:{self.port}"

    def rows(self, sql: str, catalog: str, *, user: str, source: str = _SOURCE) -> list[list[Any]]:
        """All rows of one statement. Raises InputError for one that Trino refuses."""
        with self.cursor(catalog, user=user, source=source) as cursor:
            return run(cursor, sql)

    def ask(self, sql: str, catalog: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names of columns, and rows, of a person's query. Raises InputError for what is no query."""
        if not _QUERY.match(sql):
            raise InputError(
                "only a single query can be asked, such as: select * from marts.mrt_glucose_overview"
            )
        with self.cursor(catalog, user=READER) as cursor:
            rows = run(cursor, sql.strip().rstrip(";"))
            return [column[0] for column in cursor.description or ()], [tuple(row) for row in rows]

    @contextmanager
    def cursor(self, catalog: str, *, user: str, source: str = _SOURCE) -> Iterator[Cursor]:
        """A cursor whose failures are our errors."""
        with (
            self._told(),
            closing(self._connected(catalog, user, source)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            yield cursor

    def kill_left_over(self, wait: Callable[[float], None] = time.sleep) -> None:
        """End every query of the pipeline, until none is left: a dead run's could still commit.

        Raises ServiceError when one is still there after 30 seconds.
        """
        give_up = time.monotonic() + _PATIENCE
        while left := [str(row[0]) for row in self._guard(_LEFT)]:
            if time.monotonic() > give_up:
                raise ServiceError(
                    f"Trino on {self.address} still runs what an earlier run left ({', '.join(left)}): "
                    "kill these queries, or restart it, then try again"
                )
            for query in left:
                self._kill(query)
            wait(_TICK)

    def _kill(self, query: str) -> None:
        try:
            self._guard(f"call system.runtime.kill_query('{query}', 'left by an earlier run')")
        except InputError:
            return  # it ended by itself

    def _guard(self, sql: str) -> Sequence[Sequence[Any]]:
        return self.rows(sql, "system", user=PIPELINE, source=_GUARD)

    def _connected(self, catalog: str, user: str, source: str) -> Connection:
        session = requests.Session()
        session.trust_env = self.host != HOST  # loopback needs no proxy
        connection: Connection = connect(  # type: ignore[no-untyped-call]
            host=self.host,
            port=self.port,
            user=user,
            source=source,
            catalog=catalog,
            timezone="UTC",
            http_scheme="http",
            http_session=session,
        )
        return connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except TrinoQueryError as error:
            said = str(error.message).replace("\n", " ")
            if error.error_type == _WRONG_QUERY:
                raise InputError(f"the query cannot be answered: {said}") from None
            raise ServiceError(f"Trino on {self.address} cannot do this now: {said}") from None
        except (Error, DatabaseError, requests.RequestException) as error:
            raise ServiceError(
                f"Trino on {self.address} is not usable ({type(error).__name__}): see that it runs, "
                "then try again"
            ) from None


def own_trino(find_connection: FindConnection) -> Trino | None:
    """The server that the connection names; None when there is no connection. Raises SettingsError."""
    found = find_connection(CONNECTION)
    if found is None:
        return None
    if not found.host or found.password:
        raise SettingsError(
            f"connection {CONNECTION} needs a host and no password: Trino is asked by plain HTTP, as "
            f"{PIPELINE}, so keep it in a network of its own"
        )
    return Trino(found.port or PORT, found.host)


def failed_by_itself(said: str) -> bool:
    """Whether an error, as dbt tells it, is none of the query's: Trino, or what it works with, failed."""
    return _OWN_FAILURE.search(said) is not None


def run(cursor: Cursor, sql: str) -> list[list[Any]]:
    """All rows of one statement; of one that writes, the number of rows that it wrote."""
    cursor.execute(sql)  # type: ignore[no-untyped-call]
    return list(cursor.fetchall())
