"""A real embedded Postgres for tests: one a session, stopped and deleted at its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.serving.postgres import Postgres, ensure, remove
from include.settings import Settings
from tests.free_ports import free_port


def embedded_settings(home: Path, port: int | None = None) -> Settings:
    """Settings of an embedded lakehouse below `home`, by default on a port of its own."""
    return Settings(_env_file=None, lakehouse_home=home, lakehouse_postgres_port=port or free_port())


@pytest.fixture(scope="session")
def postgres_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = embedded_settings(tmp_path_factory.mktemp("lakehouse"))
    yield settings
    remove(settings)


@pytest.fixture
def postgres(postgres_settings: Settings) -> Postgres:
    """The session's Postgres, emptied."""
    postgres = ensure(postgres_settings)
    with postgres.transaction() as connection:
        for (schema,) in connection.execute(
            "select nspname from pg_namespace where nspname !~ '^(pg_|information_schema)'"
        ).fetchall():
            connection.execute(f'drop schema "{schema}" cascade')
        connection.execute("create schema public")
        connection.execute("grant usage on schema public to public")
    return postgres
