"""A step that is tried again, by Airflow or by a person, goes on where its first try was cut off."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from include.ingestion import rounds
from include.nightscout.demo.documents import newest_first
from include.nightscout.demo.server import serve
from include.nightscout.demo.versions import Document
from include.nightscout.windows import milliseconds
from include.run.pipeline import Pipeline
from include.run.scratch import dbt_on_scratch_branch
from include.run.transform import ensure_manifest
from tests.ingestion.interrupted import killed_before
from tests.run.conftest import NOW
from tests.run.steps import RESULTS, day, days, run, until_staged

MISSING: list[int] = []  # documents since this instant, in milliseconds, are gone from the site


def without_what_is_missing(
    collection: str, earliest: float, latest: float, now: float
) -> Iterator[Document]:
    for document in newest_first(collection, earliest, latest, now):
        if not MISSING or document.get("date", 0) < MISSING[0]:
            yield document


@pytest.fixture
def site_url() -> Iterator[str]:
    with serve(lambda: NOW, archive=without_what_is_missing) as url:
        yield url


@pytest.mark.parametrize("table", ["treatments", "ingest_outcomes"])
def test_a_merge_that_was_killed_midway_is_done_anew(pipeline: Pipeline, table: str) -> None:
    _, branch, staged = until_staged(pipeline, day("2024-10-15"), "killed")
    with killed_before(table):
        pipeline.merge(branch, staged)

    merged = pipeline.merge(branch, staged)["counts"]["home"]
    received = sum(each["document_count"] for each in staged)
    assert received > 200
    assert sum(counts["received"] for counts in merged.values()) == received
    assert sum(counts["inserted"] for counts in merged.values()) > 200
    assert pipeline.merge(branch, staged)["counts"]["home"] == merged
    for name in ("glucose_entries", "treatments"):
        rows = pipeline.lakehouse.at(branch["branch"]).query(
            f"select count(*) as n, count(distinct _id) as ids from raw.{name}"  # noqa: S608
        )
        assert rows["n"] == rows["ids"]


def test_dbt_leaves_the_manifest_of_the_tasks_alone(pipeline: Pipeline) -> None:
    """Killed while it wrote there, it would leave half a manifest that no later run could read."""
    manifest = ensure_manifest(pipeline.settings)
    made = manifest.stat().st_mtime_ns
    run(pipeline, day("2024-10-15"), "run")
    dbt_on_scratch_branch(pipeline, ["parse", "--no-partial-parse"], lambda _: None)
    assert manifest.stat().st_mtime_ns == made
    assert (manifest.parent / "by-hand" / manifest.name).stat().st_mtime_ns > made
    assert (manifest.parent / "build" / "run_results.json").exists()
    assert not (manifest.parent / "build" / manifest.name).exists()


def test_a_site_that_is_left_out_in_a_later_part_is_left_out_whole(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two windows of 31 days are merged one after the other; much of the second is missing."""
    monkeypatch.setattr(rounds, "MOST_DOCUMENTS", 1)
    request = days("2024-08-05", "2024-09-12")
    lease, branch, staged = until_staged(pipeline, request, "range")
    assert len(staged) == 5  # profiles are read whole
    merged = pipeline.merge(branch, staged)
    assert merged["left_out"] == {}
    pipeline.promote(branch, {"head": pipeline.lakehouse.branch(branch["branch"]).head()})
    before = entries(pipeline, "main")
    assert before > 9000
    pipeline.close_run(lease, dict.fromkeys(RESULTS) | {"failures": {}})

    monkeypatch.setattr(f"{__name__}.MISSING", [milliseconds(datetime(2024, 9, 8, tzinfo=UTC))])
    _, branch, staged = until_staged(pipeline, request, "again")
    merged = pipeline.merge(branch, staged)
    assert merged["counts"] == {}
    assert "are missing" in merged["left_out"]["home"]
    assert entries(pipeline, branch["branch"]) == before
    assert pipeline.merge(branch, staged) == merged


def entries(pipeline: Pipeline, ref: str) -> int:
    """Live entries and the runs that wrote them."""
    found = pipeline.lakehouse.at(ref).query(
        "select count(*) filter (where deleted_at is null) as n, count(distinct run_id) as runs"
        " from raw.glucose_entries"
    )
    assert found["runs"].to_pylist() == [1]
    return int(found["n"][0].as_py())
