"""A lake of its own for each test."""

from pathlib import Path

import pytest

from include.lakehouse import Branch, Lakehouse, open_lakehouse
from include.settings import Settings
from tests.postgres_fixture import postgres, postgres_settings

__all__ = ["postgres", "postgres_settings"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def lakehouse(home: Path) -> Lakehouse:
    return open_lakehouse(Settings(_env_file=None, lakehouse_home=home))


@pytest.fixture
def branch(lakehouse: Lakehouse) -> Branch:
    return lakehouse.open_branch("first", None)
