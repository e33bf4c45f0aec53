"""Where Nessie keeps its branches: a database with a role of its own in the embedded Postgres."""

from dataclasses import replace

from include.errors import ServiceError
from include.serving.postgres import Postgres
from include.serving.server import HOST, Server
from include.settings import Settings

DATABASE = "nessie"
ROLE = "nessie"

# One statement a line: the single-user mode of Postgres reads them so, and goes on after one that was carried
# out in an earlier, killed try.
STATEMENTS = f"""\
create role {ROLE} login
alter role {ROLE} password '{{password}}'
create database {DATABASE} owner {ROLE}
revoke all on database {DATABASE} from public
"""


def ensure_version_store(settings: Settings, password: str) -> Postgres:
    """The database, made when it is missing, in the embedded Postgres, started when it does not run.

    Making it needs a moment in which nobody is connected, once: Postgres is started again for it. Raises
    ServiceError.
    """
    server = Server(settings.postgres_path, settings.lakehouse_postgres_port)
    with server.locked():
        server.start()
        store = Postgres(HOST, server.served_port(), DATABASE, ROLE, password)
        if not _can_connect(store):
            server.administer(STATEMENTS.format(password=password))
            server.start()
            store = replace(store, port=server.served_port())
            with store.transaction():
                pass
    return store


def _can_connect(store: Postgres) -> bool:
    try:
        with store.transaction():
            return True
    except ServiceError:
        return False
