"""A run on Trino that is killed while it merges, builds, promotes or publishes leaves whole versions only,
and the next one heals it."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.server import serve
from include.run.pipeline import Pipeline
from include.run.transform import ensure_manifest
from include.settings import Settings
from tests.engines.profiles import differences, embedded_pipeline, lake_tables
from tests.lakehouse.both import empty, nessie_of
from tests.run.steps import day, days, run
from tests.run.test_kill import assert_whole, runs_with
from tests.stack_fixture import environment_of

pytestmark = pytest.mark.stack

NOW = datetime(2024, 10, 20, 12, tzinfo=UTC)
FIRST = days("2024-10-01", "2024-10-05")
SEED = 20241120
# Steps, with the longest that they are left alive, in seconds: Trino goes on with what it was asked for.
KILLS = [
    ("merge", 1.0),
    ("build", 3.0),
    ("build", 8.0),
    ("promote", 0.1),
    ("publish", 0.3),
    ("publish", 1.5),
]


def test_killed_in_each_step(stack: Settings, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    empty(stack)
    keys = [f"2024-10-{number:02}" for number in range(6, 6 + len(KILLS))]
    with serve(lambda: NOW) as url:
        with runs_with(environment_of(stack), url) as runs:
            runs.run(FIRST, "first")
            before = runs.look()
            for key, (step, longest) in zip(keys, KILLS, strict=True):
                assert runs.kill_in(step, chance.uniform(0, longest), day(key), f"killed-{key}"), step
                seen = runs.look()
                runs.run(day(key), f"healed-{key}")
                after = runs.look()
                assert after["lake"] != before["lake"]
                assert_whole(seen, before, after)
                assert_whole(after, after, after)
                before = after
        with embedded_pipeline(tmp_path, nightscout_url=url, nightscout_time_zone=DEMO_ZONE) as calm:
            ensure_manifest(calm.settings)
            for number, request in enumerate([FIRST, *map(day, keys)]):
                run(calm, request, f"calm-{number}")
            killed, undisturbed = lake_tables(Pipeline(stack)), lake_tables(calm)
    del undisturbed["raw.ingest_outcomes"]  # what killed runs have read is told there too
    for name, table in undisturbed.items():
        assert differences(table, killed[name]) == [], name
    assert_nothing_is_left(Pipeline(stack))


def assert_nothing_is_left(pipeline: Pipeline) -> None:
    with pipeline.postgres.transaction() as connection:
        schemas = connection.execute("select 1 from pg_namespace where starts_with(nspname, 'publishing_')")
        assert schemas.fetchall() == []
    pipeline.lakehouse.sweep(branch_age=timedelta(0))
    assert [branch.name for branch in pipeline.lakehouse.branches() if not branch.is_promoted] == []
    names = {ref.name for ref in nessie_of(pipeline.settings).references()}
    versions = {version.name for version in pipeline.lakehouse.history()}
    assert names - versions == {"main", "wip_nightscout", "lakehouse.empty"}
