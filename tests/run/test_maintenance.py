"""Maintenance: main keeps its rows in fewer files, or stays as it was."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from include.errors import AuditError, LeaseLostError
from include.lakehouse import compaction
from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.server import serve
from include.run import maintenance
from include.run.maintenance import audit_compacted, compact_main, remove_left_overs
from include.run.pipeline import Pipeline
from include.run.rollback import rollback
from include.run.status import lake_status
from include.run.transform import ensure_manifest
from include.run.turn import owner_of_this_process, process_has_ended
from include.schemas import RAW_TABLES
from include.serving.postgres import stop
from include.serving.publish import published_version
from include.settings import Settings
from tests.lakehouse.both import empty
from tests.postgres_fixture import embedded_settings
from tests.run.forked_runs import look
from tests.run.steps import RESULTS, Facts, day, run

NOW = datetime(2024, 10, 20, 12, tzinfo=UTC)
TABLE = "glucose_entries"
DAY_SECONDS = 86_400


@pytest.fixture(scope="module", params=["embedded", pytest.param("trino", marks=pytest.mark.stack)])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A lake of one day, published; maintenance changes how it lies on the disk, never what it holds."""
    home = tmp_path_factory.mktemp("maintained")
    with lake(request, home) as settings, serve(lambda: NOW) as url:
        site = {"nightscout_url": url, "nightscout_time_zone": DEMO_ZONE, "sites_file": home / "sites.yaml"}
        pipeline = Pipeline(settings.model_copy(update=site))
        ensure_manifest(settings)
        run(pipeline, day("2024-10-15"), "load")
        yield pipeline


@contextmanager
def lake(request: pytest.FixtureRequest, folder: Path) -> Iterator[Settings]:
    """An empty lake on the profile that is asked for."""
    if request.param == "trino":
        settings: Settings = request.getfixturevalue("stack")
        empty(settings)
        yield settings
        return
    settings = embedded_settings(folder / "home")
    try:
        yield settings
    finally:
        stop(settings)


on_embedded = pytest.mark.parametrize("loaded", ["embedded"], indirect=True)


@pytest.fixture
def scattered(loaded: Pipeline) -> Pipeline:
    """Main holds the entries in many files, as somebody else's program may have written them."""
    with turn_of(loaded, "scatter") as (lease, _):
        base = loaded.lakehouse.main_version()
        branch = loaded.lakehouse.open_branch(lease["branch"], base, run_id="scatter")
        table = branch.table(TABLE)
        rows = table.scan().to_arrow()
        assert len(rows) > 200
        table.delete("_id is not null")
        for start in range(0, len(rows), 50):
            table.append(rows.slice(start, 50))
        branch.refresh_views()
        loaded.lakehouse.promote(branch.name, branch.head())
        loaded.publish(lease)
    assert files(loaded, "main") > 3
    return loaded


@contextmanager
def turn_of(pipeline: Pipeline, run_id: str) -> Iterator[tuple[Facts, Facts]]:
    """The lease for the block, and the results to record at its end."""
    lease = pipeline.take_lease(owner_of_this_process("test", run_id), process_has_ended)
    assert lease is not None
    results: Facts = {**dict.fromkeys(RESULTS), "failures": {}}
    try:
        yield lease, results
    except Exception as error:
        results["failures"] = {"step": str(error)}
        raise
    finally:
        pipeline.close_run(lease, results)


def maintain(pipeline: Pipeline, run_id: str) -> Facts | None:
    """The steps in the order of the Dag; gives what `compact_main` reported."""
    with turn_of(pipeline, run_id) as (lease, results):
        branch = compact_main(pipeline, lease)
        if branch is not None:
            results["audited"] = audit_compacted(pipeline, branch)
            results["promoted"] = pipeline.promote(branch, results["audited"])
        results["published"] = pipeline.publish(lease)
    return branch


def files(pipeline: Pipeline, ref: str) -> int:
    return len(list(pipeline.lakehouse.at(ref).table(TABLE).scan().plan_files()))


def seen(pipeline: Pipeline) -> dict[str, Any]:
    """Everything that readers of main and of Postgres see, and every row of the compacted table."""
    rows = pipeline.lakehouse.at("main").query(f"select * from raw.{TABLE} order by _id")  # noqa: S608
    return look(pipeline) | {"rows": rows.to_pylist()}


def test_main_has_fewer_files_and_readers_see_the_same(scattered: Pipeline) -> None:
    before, base, former = seen(scattered), scattered.lakehouse.main_version(), files(scattered, "main")
    branch = maintain(scattered, "fewer")
    assert branch is not None
    assert branch["replaced_files"] == {TABLE: former}
    assert files(scattered, "main") == 1
    assert scattered.lakehouse.main_version() == branch["branch"] != base
    assert seen(scattered) == before
    shown = published_version(scattered.postgres)
    assert shown is not None
    assert shown.version == branch["branch"]
    last = lake_status(scattered).last_runs()[0]
    assert (last["run"], last["outcome"], last["promoted"]) == ("test fewer", "succeeded", branch["branch"])


def test_nothing_to_do_makes_no_branch_and_no_version(scattered: Pipeline) -> None:
    assert maintain(scattered, "first") is not None
    versions, branches = scattered.lakehouse.history(), scattered.lakehouse.branches()
    assert maintain(scattered, "second") is None
    assert scattered.lakehouse.history() == versions
    assert scattered.lakehouse.branches() == branches


def test_an_empty_lake_is_left_alone(tmp_path: Path) -> None:
    pipeline = Pipeline(embedded_settings(tmp_path / "empty"))
    try:
        assert maintain(pipeline, "empty") is None
        assert pipeline.lakehouse.branches() == []
    finally:
        stop(pipeline.settings)


def test_one_can_go_back_to_the_version_before(scattered: Pipeline) -> None:
    before, base, former = seen(scattered), scattered.lakehouse.main_version(), files(scattered, "main")
    maintain(scattered, "to-go-back")
    assert base is not None
    rollback(scattered, base, lambda _: None)
    assert files(scattered, "main") == former
    assert seen(scattered) == before


def test_merging_goes_on_after_it(scattered: Pipeline) -> None:
    before = scattered.lakehouse.at("main").query(f"select count(*) as n from raw.{TABLE}")  # noqa: S608
    maintain(scattered, "then-a-run")
    run(scattered, day("2024-10-15"), "after")
    after = scattered.lakehouse.at("main").query(f"select count(*) as n from raw.{TABLE}")  # noqa: S608
    assert after == before
    assert files(scattered, "main") == 1


@pytest.mark.parametrize(
    "dies_in",
    [(compaction, "_dataframe_to_data_files"), (maintenance, "changed_partitions")],
    ids=["while it writes", "after its commit to the branch"],
)
def test_who_dies_midway_leaves_main_whole_and_the_next_one_does_it(
    scattered: Pipeline, monkeypatch: pytest.MonkeyPatch, dies_in: tuple[Any, str]
) -> None:
    before, base = seen(scattered), scattered.lakehouse.main_version()

    def die(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(*dies_in, die)
        with pytest.raises(RuntimeError, match="killed"):
            maintain(scattered, "dies")
    assert scattered.lakehouse.main_version() == base
    assert seen(scattered) == before
    branch = maintain(scattered, "next")
    assert branch is not None
    assert seen(scattered) == before
    assert files(scattered, "main") == 1


def test_a_second_try_of_a_step_begins_anew(scattered: Pipeline) -> None:
    before = seen(scattered)
    with turn_of(scattered, "tried-twice") as (lease, _):
        first = compact_main(scattered, lease)
        assert first is not None
        assert compact_main(scattered, lease) == first
        audited = audit_compacted(scattered, first)
        assert audit_compacted(scattered, first) == audited
        for _ in range(2):
            scattered.promote(first, audited)
        scattered.publish(lease)
    assert seen(scattered) == before
    assert files(scattered, "main") == 1


def loses_rows(rows: Any) -> Any:
    return rows.slice(1)


def doubles_a_row(rows: Any) -> Any:
    return pyarrow.concat_tables([rows, rows.slice(0, 1)])


@pytest.mark.parametrize("harm", [loses_rows, doubles_a_row])
def test_rows_that_differ_are_not_promoted(
    scattered: Pipeline, monkeypatch: pytest.MonkeyPatch, harm: Any
) -> None:
    before, base = seen(scattered), scattered.lakehouse.main_version()
    write = compaction._dataframe_to_data_files
    with monkeypatch.context() as patch:
        patch.setattr(
            compaction, "_dataframe_to_data_files", lambda metadata, rows, io: write(metadata, harm(rows), io)
        )
        with pytest.raises(AuditError, match=rf"main is as it was: raw\.{TABLE} has other rows in .*home"):
            maintain(scattered, harm.__name__)
    assert scattered.lakehouse.main_version() == base
    assert seen(scattered) == before


def test_another_table_that_changed_is_not_promoted(scattered: Pipeline) -> None:
    with turn_of(scattered, "touches-more") as (lease, _):
        branch = compact_main(scattered, lease)
        assert branch is not None
        scattered.lakehouse.branch(branch["branch"]).table("sites").delete("site_id is not null")
        with pytest.raises(AuditError, match=r"raw\.sites has other rows"):
            audit_compacted(scattered, branch)


def test_a_table_that_main_does_not_have_yet_is_made_empty(
    scattered: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update of the program, before the first run."""
    monkeypatch.setitem(RAW_TABLES, "later", replace(RAW_TABLES["sites"], name="later"))
    with turn_of(scattered, "updated") as (lease, _):
        branch = compact_main(scattered, lease)
        assert branch is not None
        audit_compacted(scattered, branch)
        work = scattered.lakehouse.branch(branch["branch"])
        assert "later" in work.changed_tables()
        work.table("later").append(work.table("sites").scan().to_arrow())
        with pytest.raises(AuditError, match=r"raw\.later was not there and holds rows"):
            audit_compacted(scattered, branch)


@on_embedded
def test_snapshots_of_tables_with_nothing_to_compact_are_forgotten_too(scattered: Pipeline) -> None:
    with turn_of(scattered, "many-snapshots") as (lease, _):
        branch = scattered.lakehouse.open_branch(lease["branch"], scattered.lakehouse.main_version())
        for _ in range(6):
            branch.table("sites").append(branch.table("sites").scan().to_arrow().slice(0, 0))
        branch.refresh_views()
        scattered.lakehouse.promote(branch.name, branch.head())
    assert len(scattered.lakehouse.at("main").table("sites").metadata.snapshots) > 5
    assert maintain(scattered, "forgets") is not None
    assert len(scattered.lakehouse.at("main").table("sites").metadata.snapshots) == 5


def test_it_waits_for_its_turn_and_writes_only_in_it(scattered: Pipeline) -> None:
    with turn_of(scattered, "writes-now") as (lease, _):
        waits = owner_of_this_process("lakehouse_maintenance", "waits")
        assert scattered.take_lease(waits, process_has_ended) is None
    branches = scattered.lakehouse.branches()
    with pytest.raises(LeaseLostError):
        compact_main(scattered, lease)
    assert scattered.lakehouse.branches() == branches


def test_old_logs_and_left_over_files_of_queries_go(tmp_path: Path) -> None:
    pipeline = Pipeline(embedded_settings(tmp_path))
    nothing = {"unfinished_reads": 0, "logs": 0, "spilled_files": 0}
    assert remove_left_overs(pipeline) == nothing
    ages = {
        "logs/run-20240101T000000.log": 31,
        "logs/run-20240102T000000.log": 29,
        "logs/up.log": 31,
        "spill/old.tmp": 1.1,
        "spill/young.tmp": 0.9,
        "stage/home/entries/killed/documents.parquet": 1.1,
        "stage/home/entries/begun/documents.parquet": 0.9,
        "stage/home/entries/whole/documents.parquet": 99,
        "stage/home/entries/whole/manifest.json": 99,
    }
    for name, days in ages.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        at = time.time() - days * DAY_SECONDS
        os.utime(path, (at, at))
    assert remove_left_overs(pipeline) == dict.fromkeys(nothing, 1)
    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert set(ages) - kept == {
        "logs/run-20240101T000000.log",
        "spill/old.tmp",
        "stage/home/entries/killed/documents.parquet",
    }
