"""What a failed dbt command says, and what it leaves."""

import multiprocessing
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb
import pytest

from include.errors import LakehouseError, ServiceError, TransformError
from include.lakehouse import open_lakehouse
from include.lakehouse.engine import FILE
from include.run.transform import dbt_paths, ensure_manifest, manifest_is_fresh, run_dbt
from include.settings import Settings
from tests.full_disks import KINDS, Disk, LimitedFiles, disk_of

processes = multiprocessing.get_context("forkserver")  # dbt keeps what it opened until its process ends
processes.set_forkserver_preload(["dbt.cli.main", "include.lakehouse.embedded"])


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with disk_of(request.param, tmp_path) as disk:
        yield disk


def settings_of(folder: Path) -> Settings:
    return Settings(_env_file=None, lakehouse_home=folder / "home")


def make_manifest(disk: Disk, room: int | None) -> None:
    with nullcontext() if room is None else disk.with_room(room):
        ensure_manifest(settings_of(disk.folder))


def _outcome(results: Any, work: Any, arguments: tuple[Any, ...]) -> None:
    try:
        work(*arguments)
        results.put(None)
    except LakehouseError as error:
        results.put((type(error), str(error)))


def failure_of(work: Any, *arguments: Any) -> tuple[type[LakehouseError], str] | None:
    """What the work raised, done in a process of its own; None when it went well."""
    results = processes.SimpleQueue()
    process = processes.Process(target=_outcome, args=(results, work, arguments))
    process.start()
    process.join()
    assert process.exitcode == 0
    failure: tuple[type[LakehouseError], str] | None = results.get()
    return failure


def test_no_room_for_the_manifest(disk: Disk, capfd: pytest.CaptureFixture[str]) -> None:
    settings = settings_of(disk.folder)
    kind, sentence = failure_of(make_manifest, disk, 600_000) or (None, "")  # half of it
    assert kind is ServiceError
    assert sentence == f"the disk that holds {settings.dbt_path} is full: free some space and run again"
    assert capfd.readouterr() == ("", "")
    assert not manifest_is_fresh(settings)

    assert failure_of(make_manifest, disk, None) is None
    assert manifest_is_fresh(settings)


def test_no_room_for_a_model(tmp_path: Path) -> None:
    branch = tmp_path / "home" / "lake" / "versions" / "scratch"
    kind, sentence = failure_of(build_without_room, tmp_path) or (None, "")
    assert kind is ServiceError
    assert sentence == f"the disk that holds {branch} is full: free some space and run again"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["debug"], "LAKEHOUSE_DUCKDB_PATH is not set"),  # its result is no list, but False
        (["build", "--no-such-option"], "No such option '--no-such-option'"),
        (["run-operation", "no_such_macro"], "no_such_macro"),
    ],
)
def test_a_command_that_fails_names_the_reason_and_the_log(
    tmp_path: Path, arguments: list[str], reason: str
) -> None:
    kind, sentence = failure_of(run_dbt, arguments, dbt_paths(settings_of(tmp_path))) or (None, "")
    log = settings_of(tmp_path).dbt_path / "logs" / "dbt.log"
    assert kind is TransformError
    assert sentence.startswith(f"dbt {arguments[0]}: ")
    assert sentence.endswith(f". What dbt said is in {log}")
    assert len(sentence.splitlines()) == 1
    assert reason in sentence + log.read_text()


def build_without_room(folder: Path) -> None:
    settings = settings_of(folder)
    ensure_manifest(settings)
    branch = open_lakehouse(settings).open_branch("scratch", None)
    branch.refresh_views()
    with duckdb.connect(branch.dbt_folder() / FILE) as connection:  # dbt goes on with a log of 1.6 MB
        connection.execute("pragma disable_checkpoint_on_shutdown")
        connection.execute("create table ballast as select random() as r from range(100_000)")
        connection.execute("insert into ballast select random() from range(100_000)")
    environment = dbt_paths(settings) | branch.dbt_environment()
    with LimitedFiles(folder).with_room(1_600_000):  # enough for any file of dbt's own
        run_dbt(["run", "--quiet"], environment, branch.dbt_folder())
