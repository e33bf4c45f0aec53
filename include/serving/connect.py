"""What a person or a BI tool needs to know to read the published tables."""

import shlex

from include.connections import FindConnection
from include.serving.postgres import Postgres, own_postgres, reader
from include.serving.programs import client_program
from include.serving.published_table import SCHEMA
from include.serving.server import READER
from include.settings import Settings


def connection_text(settings: Settings, find_connection: FindConnection) -> str:
    """Lines to print: where, as whom, where the password lies (never the password), and a line for psql.

    Starts the embedded Postgres when that is used and does not run. Raises ServiceError, SettingsError.
    """
    own = own_postgres(find_connection)
    lines = _own(own) if own else _embedded(settings)
    return "\n".join(f"{name + ':':<10}{text}" for name, text in lines.items())


def _own(server: Postgres) -> dict[str, str]:
    """A server of the user's own, whose roles and passwords are not ours to tell."""
    return {
        "Host": server.host,
        "Port": str(server.port),
        "Database": server.database,
        "Schema": SCHEMA,
        "Role": f"{READER}, or one that was granted it (may only read)",
        "Password": "ask whoever keeps this server",
    }


def _embedded(settings: Settings) -> dict[str, str]:
    postgres = reader(settings)
    folder = settings.postgres_path
    address = f"{postgres.host}:{postgres.port}/{postgres.database}"
    psql = [client_program("psql"), "-h", postgres.host, "-p", str(postgres.port), "-U", postgres.user]
    return {
        "Host": postgres.host,
        "Port": str(postgres.port),
        "Database": postgres.database,
        "Schema": SCHEMA,
        "Role": f"{postgres.user} (may only read)",
        "Password": f"in {folder / f'{postgres.user}.password'}",
        "URL": f"postgresql://{postgres.user}@{address}",
        "psql": f"PGPASSFILE={shlex.quote(str(folder / 'pgpass'))} {shlex.join([*psql, postgres.database])}",
    }
