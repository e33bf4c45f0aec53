"""What the tests of the report share."""

import pytest

from include.serving.postgres import Postgres
from tests.postgres_fixture import postgres, postgres_settings
from tests.report.published import make_tables

__all__ = ["postgres", "postgres_settings"]


@pytest.fixture
def tables(postgres: Postgres) -> Postgres:
    """A Postgres with the tables that are published, all of them empty."""
    make_tables(postgres)
    return postgres
