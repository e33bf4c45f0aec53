"""What a person or a BI tool needs to know to read the published tables."""

import shlex

from include.serving.postgres import reader
from include.serving.programs import client_program
from include.serving.published_table import SCHEMA
from include.settings import Settings


def connection_text(settings: Settings) -> str:
    """Lines to print: where, as whom, where the password lies (never the password), and a line for psql.

    Starts the embedded Postgres when it does not run. Raises ServiceError.
    """
    postgres = reader(settings)
    folder = settings.postgres_path
    address = f"{postgres.host}:{postgres.port}/{postgres.database}"
    psql = [client_program("psql"), "-h", postgres.host, "-p", str(postgres.port), "-U", postgres.user]
    lines = {
        "Host": postgres.host,
        "Port": str(postgres.port),
        "Database": postgres.database,
        "Schema": SCHEMA,
        "Role": f"{postgres.user} (may only read)",
        "Password": f"in {folder / f'{postgres.user}.password'}",
        "URL": f"postgresql://{postgres.user}@{address}",
        "psql": f"PGPASSFILE={shlex.quote(str(folder / 'pgpass'))} {shlex.join([*psql, postgres.database])}",
    }
    return "\n".join(f"{name + ':':<10}{text}" for name, text in lines.items())
