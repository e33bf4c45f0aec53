"""Preparing a database of one's own, which knows nothing of us."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.connections import Fields
from include.errors import ServiceError, SettingsError
from include.serving.operations import prepare
from include.serving.postgres import Postgres, open_postgres, remove, running_postgres
from include.serving.server import Server
from include.settings import Settings
from tests.postgres_fixture import embedded_settings


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = embedded_settings(tmp_path / "home")
    yield settings
    remove(settings)


def served(settings: Settings, rights: str = "") -> Fields:
    """A running server without the role of readers, as a connection names it."""
    server = Server(settings.postgres_path, settings.lakehouse_postgres_port)
    with server.locked():
        server.start()
        server.administer(f"drop role glucose_reader\n{rights}")
        server.start()
        return Fields("127.0.0.1", "lakehouse", server.served_port(), "lake", server.password("lake"))


def test_the_role_of_readers_is_made_where_it_is_absent(settings: Settings) -> None:
    own = served(settings, "alter role lake createrole\n")
    postgres = open_postgres(settings, lambda _: own)
    prepare(postgres)
    prepare(postgres)
    with postgres.transaction() as connection:
        found = connection.execute(
            "select rolcanlogin, has_table_privilege('glucose_reader', 'ops.publication', 'select'),"
            " has_table_privilege('glucose_reader', 'ops.publication', 'insert')"
            " from pg_roles where rolname = 'glucose_reader'"
        ).fetchone()
    assert found == (False, True, False)


def test_who_may_not_make_it_is_told_what_to_ask_for(settings: Settings) -> None:
    own = served(settings)
    with pytest.raises(ServiceError, match="administrator run `create role glucose_reader`") as caught:
        prepare(open_postgres(settings, lambda _: own))
    assert str(own.password) not in str(caught.value)


def test_a_server_of_ones_own_is_never_started_by_us(settings: Settings) -> None:
    own = Fields("127.0.0.1", "lakehouse", 1, "lake", "a-planted-secret-4711")
    postgres = running_postgres(settings, lambda _: own)
    assert isinstance(postgres, Postgres)
    with pytest.raises(ServiceError, match=r"Postgres on 127\.0\.0\.1:1 is not usable") as caught:
        prepare(postgres)
    assert "a-planted-secret-4711" not in str(caught.value)
    assert not settings.postgres_path.exists()


@pytest.mark.parametrize("own", [Fields(), Fields("db.example"), Fields("db.example", "glucose")])
def test_a_connection_that_lacks_something(settings: Settings, own: Fields) -> None:
    with pytest.raises(SettingsError, match="lakehouse_postgres is incomplete"):
        open_postgres(settings, lambda _: own)
