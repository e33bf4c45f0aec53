"""One small lake a session: four days of a site, in two versions, with one quarantined document."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.homes import Commands, Home, forking_commands
from tests.cli.sites import Front, fronted_site

SECRET = "canary of the api secret"
ZONE = "Europe/Berlin"


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    with forking_commands() as commands:
        yield commands


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    with fronted_site() as front:
        yield front


@pytest.fixture(scope="session")
def built_home(commands: Commands, front: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    settings = {
        "NIGHTSCOUT_URL": front.url,
        "NIGHTSCOUT_API_SECRET": SECRET,
        "NIGHTSCOUT_TIME_ZONE": ZONE,
    }
    home = Home(commands, tmp_path_factory.mktemp("lake") / "lakehouse", settings)
    with ExitStack() as stack:
        stack.callback(home.remove)
        for first, last in (("2024-10-15", "2024-10-16"), ("2024-10-17", "2024-10-18")):
            loaded = home.load(first, last)
            assert loaded.code == 0, loaded.err
        yield home


@pytest.fixture
def lake(built_home: Home, front: Front) -> Iterator[Home]:
    """The session's lake; after a test it is what it was before: main, versions, branches, staged reads."""
    main, staged = built_home.status()["main"], built_home.staged()
    yield built_home
    front.recover()
    for read in built_home.staged() - staged:
        shutil.rmtree(read)
    if built_home.status()["main"] != main:
        back = built_home.lakehouse("rollback", main)
        assert back.code == 0, back.err
    # A lake keeps few versions: those of this test would sooner or later push out the one to go back to.
    for version in built_home.lakehouse("history", "--json").rows:
        if version["state"] == "undone by a rollback":
            shutil.rmtree(built_home.path / "lake" / "versions" / version["version"])
    for branch in built_home.lakehouse("branch", "list", "--json").rows:
        built_home.lakehouse("branch", "drop", branch["branch"])


@pytest.fixture
def empty(commands: Commands, tmp_path: Path) -> Iterator[Home]:
    """A home that nothing was ever done in."""
    home = Home(commands, tmp_path / "lakehouse")
    yield home
    home.remove()
