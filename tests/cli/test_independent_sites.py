"""What is wrong with one site's settings or staged files concerns that site only."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.nightscout.demo.server import serve
from tests.cli.homes import Home
from tests.cli.sites import NOW, Front
from tests.cli.test_site_faults import two_sites

DAYS = ("2024-10-16", "2024-10-17")
LEFT_OVER = "left-over--run-0"


@pytest.fixture
def left_over(lake: Home) -> Iterator[Path]:
    """The folder of a read of the site `home` that a failed run left behind."""
    entries = lake.path / "stage" / "home" / "entries"
    merged = next(entries.iterdir())
    folder = entries / LEFT_OVER
    shutil.copytree(merged, folder)
    for name in ("accepted.parquet", "quarantined.parquet", "validation.json"):
        (folder / name).unlink(missing_ok=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    changed = {"read_id": LEFT_OVER, "run_id": "run-0", "branch": "run-0"}
    (folder / "manifest.json").write_text(json.dumps(manifest | changed))
    yield folder
    shutil.rmtree(folder)


def goes_on_without_home(lake: Home, settings: dict[str, str]) -> str:
    """Load both sites; what is said about `home`, which keeps its data. The site `other` is published."""
    of_site = "select * from marts.mrt_glucose_overview where site_id = '{}' order by reading_date"
    before = lake.rows(of_site.format("home"))
    done = lake.load(*DAYS, settings=settings)
    assert done.code == 1
    (sentence,) = done.sentence.splitlines()
    assert sentence.startswith("site home: ")
    assert "site other" not in sentence
    assert lake.rows(of_site.format("home")) == before
    assert len(lake.rows(of_site.format("other"))) == len(DAYS)
    assert len(lake.published(of_site.format("other"))) == len(DAYS)
    return sentence


@pytest.mark.parametrize("name", ["documents.parquet", "manifest.json"])
def test_a_damaged_staged_file(lake: Home, front: Front, left_over: Path, name: str) -> None:
    (left_over / name).write_bytes(b"PAR1")
    with serve(lambda: NOW) as other:
        sentence = goes_on_without_home(lake, two_sites(lake, front.url, other))
    assert f"{left_over / name} is damaged" in sentence


def test_a_connection_that_is_not_defined(lake: Home, front: Front) -> None:
    with serve(lambda: NOW) as other:
        settings = two_sites(lake, front.url, other)
        sentence = goes_on_without_home(lake, settings | {"AIRFLOW_CONN_HOME": ""})
        assert "connection home is not defined: set AIRFLOW_CONN_HOME" in sentence
        (origin,) = {
            row["origin"] for row in lake.rows("select origin from raw.sites where site_id = 'home'")
        }
        assert origin == front.url
        moved = lake.lakehouse("site", "move", "home", **settings | {"AIRFLOW_CONN_HOME": ""})
        assert (moved.code, "connection home is not defined" in moved.sentence) == (2, True)
        healed = lake.load(*DAYS, settings=settings)
    assert healed.code == 0, healed.err
