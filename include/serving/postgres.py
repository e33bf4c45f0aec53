"""Postgres as the rest of the project sees it: a place to connect to.

It is the embedded one, started when it does not run, unless the Airflow connection `lakehouse_postgres` names
a server of one's own: host, port, schema (the database), login and password mean what they mean to Airflow.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from include.connections import FindConnection
from include.errors import ServiceError, SettingsError
from include.serving.server import DATABASE, HOST, OWNER, READER, Server
from include.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]

CONNECTION = "lakehouse_postgres"
PORT = 5432
# A server that falls silent is given up after about a minute.
LIMITS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}
# In zones west of UTC the first instant of all lies in 1 BC, which Python cannot read.
IN_UTC = "set local time zone 'UTC'"


@dataclass(frozen=True)
class Postgres:
    """One database of one server, seen as one role."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)

    @property
    def parameters(self) -> dict[str, Any]:
        """What libpq wants to know, by its names; the password is among it: never print it."""
        return {
            "host": self.host,
            "port": self.port,
            "dbname": self.database,
            "user": self.user,
            "password": self.password,
        }

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection in one transaction, committed at the end of the block, undone when it raises.

        Raises ServiceError when Postgres cannot be reached or fails; wrong statements stay psycopg's errors.
        """
        try:
            with psycopg.connect("", **LIMITS, **self.parameters) as connection:
                connection.execute(IN_UTC)
                yield connection
        except psycopg.OperationalError as error:
            said = error.diag.message_primary or (str(error).splitlines() or ["it said nothing"])[0]
            advice = error.diag.message_hint or "see that it runs, then try again"
            raise ServiceError(
                f"Postgres on {self.host}:{self.port} is not usable ({said}): {advice}"
            ) from None


def open_postgres(settings: Settings, find_connection: FindConnection) -> Postgres:
    """The database of lease and publication. Raises ServiceError as `ensure` does, SettingsError."""
    return own_postgres(find_connection) or ensure(settings)


def own_postgres(find_connection: FindConnection) -> Postgres | None:
    """The server that the connection names; None when there is no connection. Raises SettingsError."""
    found = find_connection(CONNECTION)
    if found is None:
        return None
    if not (found.host and found.schema and found.login):
        raise SettingsError(
            f"connection {CONNECTION} is incomplete: it needs host, schema (the database) and login"
        )
    return Postgres(found.host, found.port or PORT, found.schema, found.login, found.password or "")


def running_postgres(settings: Settings, find_connection: FindConnection) -> Postgres | None:
    """The same, but None when it is the embedded one and does not run; starts and creates nothing."""
    own = own_postgres(find_connection)
    return own or (ensure(settings) if is_running(settings) else None)


def ensure(settings: Settings) -> Postgres:
    """The embedded Postgres as its owner, started when it does not run; it outlives this process.

    Raises ServiceError: port in use, folder not writable, disk full, password file gone.
    """
    return _ensure(settings, OWNER)


def reader(settings: Settings) -> Postgres:
    """The embedded Postgres as the role that may only read, started when it does not run."""
    return _ensure(settings, READER)


def is_running(settings: Settings) -> bool:
    """Whether the embedded Postgres runs; starts and creates nothing."""
    server = _server(settings)
    if not server.folder.exists():
        return False
    with server.locked():
        return server.is_running()


def stop(settings: Settings) -> None:
    """Ask the embedded Postgres to stop, and wait until it has; no matter when it does not run."""
    server = _server(settings)
    if server.folder.exists():
        with server.locked():
            server.stop()


def remove(settings: Settings) -> None:
    """Stop the embedded Postgres and delete all it keeps, also what root had to put elsewhere."""
    server = _server(settings)
    if server.folder.exists():
        with server.locked():
            server.stop()
            server.remove()


def _ensure(settings: Settings, role: str) -> Postgres:
    server = _server(settings)
    with server.locked():
        server.start()
        return Postgres(HOST, server.served_port(), DATABASE, role, server.password(role))


def _server(settings: Settings) -> Server:
    return Server(settings.postgres_path, settings.lakehouse_postgres_port)
