"""A lake of its own for each test."""

from pathlib import Path

import pytest

from include.lakehouse import Branch, Lakehouse, open_lakehouse
from include.settings import Settings
from tests.lakehouse.both import EMBEDDED, empty
from tests.postgres_fixture import postgres, postgres_settings

__all__ = ["postgres", "postgres_settings"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def lakehouse(request: pytest.FixtureRequest, home: Path) -> Lakehouse:
    """The embedded one, unless the test asks for another: see `on_both`."""
    if getattr(request, "param", EMBEDDED) == EMBEDDED:
        return open_lakehouse(Settings(_env_file=None, lakehouse_home=home))
    settings: Settings = request.getfixturevalue("stack")
    empty(settings)
    return open_lakehouse(settings)


@pytest.fixture
def branch(lakehouse: Lakehouse) -> Branch:
    return lakehouse.open_branch("first", None)
