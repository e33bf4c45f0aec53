"""Rollback loses nothing, and changes nothing when readers could not be shown the older version."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.ingestion.stage import Stage
from include.lakehouse import open_lakehouse
from include.nightscout.client import Answer
from include.nightscout.windows import Collection, Window
from include.run.transform import manifest_path
from tests.cli.homes import Commands, Home
from tests.cli.sites import Front
from tests.nightscout.misbehaving import Reply, Request, answer

DOCUMENTS = (
    "select 'entry' as kind, _id, deleted_at from raw.glucose_entries"
    " union all select 'treatment', _id, deleted_at from raw.treatments order by all"
)
LONG_AGO = datetime.now(UTC) - timedelta(days=31)
LEFT_OVER_DAY = datetime(2024, 10, 9, 22, tzinfo=UTC)  # midnight in Berlin


@pytest.fixture
def home(commands: Commands, front: Front, tmp_path: Path) -> Iterator[Home]:
    site = {"NIGHTSCOUT_URL": front.url, "NIGHTSCOUT_TIME_ZONE": "Europe/Berlin"}
    home = Home(commands, tmp_path / "lakehouse", site)
    yield home
    front.recover()
    home.remove()


def loaded(home: Home, first: str, last: str) -> str:
    """The version that a run made."""
    done = home.load(first, last)
    assert done.code == 0, done.err
    return str(home.status()["main"])


def stage_left_over(home: Home, origin: str) -> None:
    """What a run staged a month ago before it failed; the site does not have it any more."""
    stage = Stage(*open_lakehouse(home.as_settings()).stage_folder())
    window = Window("home", Collection.ENTRIES, LEFT_OVER_DAY, LEFT_OVER_DAY + timedelta(days=1))
    at = LEFT_OVER_DAY + timedelta(hours=12)
    document = {"_id": "left-over", "type": "sgv", "sgv": 120, "date": int(at.timestamp() * 1000)}
    given = Answer("/api/v1/entries.json", (json.dumps(document),), LONG_AGO)
    stage.write(window, given, kind="window", origin=origin, run_id="failed", branch="failed")


def nothing_left(request: Request) -> Reply:
    """A site that has pruned all it had."""
    return answer("[]")


def test_what_a_rollback_takes_back_is_merged_again_though_the_site_has_lost_it(
    home: Home, front: Front
) -> None:
    first = loaded(home, "2024-10-15", "2024-10-15")
    stage_left_over(home, origin=front.url)
    loaded(home, "2024-10-16", "2024-10-16")
    everything = home.rows(DOCUMENTS)
    assert {"kind": "entry", "_id": "left-over", "deleted_at": None} in everything

    back = home.lakehouse("rollback", first)
    assert back.code == 0, back.err
    assert len(home.rows(DOCUMENTS)) < len(everything)

    front.server.respond = nothing_left
    loaded(home, "2024-10-17", "2024-10-17")
    assert home.rows(DOCUMENTS) == everything


@pytest.mark.parametrize(
    ("newborn", "says"),
    [
        ({"name": "mrt_born_later", "alias": None}, "has no marts.mrt_born_later"),
        ({"config": {"meta": {"primary_key": ["born_later"]}}}, "no column born_later"),
    ],
)
def test_a_version_that_readers_cannot_be_shown_is_refused(
    lake: Home, newborn: dict[str, Any], says: str
) -> None:
    """They are shown today's models, and a version of before a model's birth does not have it."""
    older = lake.first_version()
    path = manifest_path(lake.as_settings())
    written = path.read_text()
    manifest = json.loads(written)
    manifest["nodes"]["model.glucose.mrt_glucose_overview"] |= newborn
    before = lake.seen()
    path.write_text(json.dumps(manifest))
    try:
        done = lake.lakehouse("rollback", older)
    finally:
        path.write_text(written)
    assert done.code == 2
    assert says in done.sentence
    assert "main stays as it is" in done.sentence
    assert lake.seen() == before
