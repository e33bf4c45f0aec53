"""Nessie's database in the embedded Postgres: made beside what is there, whole after a kill, and closed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.errors import ServiceError
from include.serving.postgres import Postgres, ensure, reader, remove
from include.serving.server import Server
from include.settings import Settings
from include.stack.version_store import STATEMENTS, ensure_version_store
from tests.postgres_fixture import embedded_settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home whose Postgres serves published tables already."""
    settings = embedded_settings(tmp_path_factory.mktemp("home"))
    run(ensure(settings), "create table kept as select 1 as a")
    yield settings
    remove(settings)


def run(postgres: Postgres, statement: str) -> object:
    with postgres.transaction() as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def first_process(settings: Settings) -> str:
    return (settings.postgres_path / "server/data/postmaster.pid").read_text().split()[0]


def test_made_beside_what_is_there_and_then_left_alone(settings: Settings) -> None:
    store = ensure_version_store(settings, "secret 1")
    assert run(store, "select current_database() || ' ' || current_user") == "nessie nessie"
    run(store, "create table commits (id int)")
    assert run(ensure(settings), "select a from kept") == 1
    served_by = first_process(settings)
    assert ensure_version_store(settings, "secret 1") == store
    assert first_process(settings) == served_by


def test_a_new_password_replaces_the_old_one(settings: Settings) -> None:
    old = ensure_version_store(settings, "secret 1")
    store = ensure_version_store(settings, "secret 2")
    assert run(store, "select 1") == 1
    with pytest.raises(ServiceError, match="password authentication failed"):
        run(old, "select 1")


def test_a_try_that_was_killed_midway_is_finished(settings: Settings) -> None:
    server = Server(settings.postgres_path, settings.lakehouse_postgres_port)
    with server.locked():
        server.start()
        server.administer("drop database if exists nessie\ndrop role if exists nessie\n")
        server.administer("\n".join(STATEMENTS.format(password="half").splitlines()[:2]) + "\n")
    assert run(ensure_version_store(settings, "half"), "select 1") == 1


def test_the_roles_keep_to_themselves(settings: Settings) -> None:
    store = ensure_version_store(settings, "secret 3")
    for other in (ensure(settings), reader(settings)):
        stranger = Postgres(other.host, other.port, store.database, other.user, other.password)
        with pytest.raises(ServiceError, match="permission denied for database"):
            run(stranger, "select 1")
    here = Postgres(store.host, store.port, "lakehouse", store.user, store.password)
    assert run(here, "select has_table_privilege('kept', 'select')") is False
    log = (Path(settings.postgres_path) / "server" / "log").read_text()
    assert not [secret for secret in ("secret 1", "secret 2", "secret 3") if secret in log]
