"""What becomes of a model that is no more, and of models that changed under a running program."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from include.lakehouse.engine import FILE
from tests.cli.homes import Commands, Home
from tests.cli.sites import Front


@pytest.fixture
def home(commands: Commands, front: Front, tmp_path: Path) -> Iterator[Home]:
    site = {"NIGHTSCOUT_URL": front.url, "NIGHTSCOUT_TIME_ZONE": "Europe/Berlin"}
    home = Home(commands, tmp_path / "lakehouse", site)
    yield home
    home.remove()


def test_a_model_that_was_removed_leaves_with_the_next_run(home: Home) -> None:
    assert home.load("2024-10-15", "2024-10-15").code == 0
    older = home.status()["main"]
    with duckdb.connect(home.path / "lake" / "versions" / older / FILE) as connection:
        connection.execute("create table marts.mrt_removed as select 1 as x")
    removed = "select * from marts.mrt_removed"
    assert home.rows(removed) == [{"x": 1}]

    done = home.load("2024-10-16", "2024-10-16")
    assert done.code == 0, done.err
    assert "mrt_removed" in home.lakehouse("sql", removed).sentence
    assert home.rows(removed, ref=older) == [{"x": 1}]
