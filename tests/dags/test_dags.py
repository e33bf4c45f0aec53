"""Every Dag: that it is there, loads, can be stored, and keeps the project's rules."""

import re
import subprocess
import sys
from typing import Any

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from include.orchestration.defaults import OWNER
from include.orchestration.notifiers import LogLine
from include.orchestration.pools import POOLS
from include.orchestration.retries import RetryUnlessWatched
from include.settings import PROJECT

DAGS = {"nightscout_glucose", "lakehouse_maintenance"}
TAGS = {"nightscout", "glucose", "maintenance", "hourly", "weekly"}
HEAVY = {"dbt", "dlt", "duckdb", "pandas", "pandera", "polars", "pyarrow", "pyiceberg"}


def test_the_dags_are_those_we_know(dag_bag: Any) -> None:
    assert set(dag_bag.dags) == DAGS


def test_every_file_loads(dag_bag: Any) -> None:
    assert dag_bag.import_errors == {}


def test_every_file_in_dags_holds_a_dag_of_its_name() -> None:
    assert {path.stem for path in (PROJECT / "dags").glob("*.py")} == DAGS


@pytest.mark.parametrize("dag_id", sorted(DAGS))
def test_it_can_be_stored_and_read_back(dag_bag: Any, dag_id: str) -> None:
    dag = dag_bag.dags[dag_id]
    stored = DagSerialization.to_dict(dag)
    again = DagSerialization.from_dict(stored)
    assert again.dag_id == dag_id
    assert set(again.task_ids) == set(dag.task_ids)
    assert DagSerialization.to_dict(dag) == stored  # the same Dag makes no new version


@pytest.mark.parametrize("dag_id", sorted(DAGS))
def test_a_dag_says_what_it_is(dag_bag: Any, dag_id: str) -> None:
    dag = dag_bag.dags[dag_id]
    assert dag.tags <= TAGS
    assert dag.tags
    assert "When it fails" in dag.doc_md
    assert dag.max_active_runs == 1
    assert dag.on_success_callback.event == "run_succeeded"
    assert dag.on_failure_callback.event == "run_failed"
    assert f"`{dag_id}`" in (PROJECT / "dags" / "README.md").read_text()


@pytest.mark.parametrize("dag_id", sorted(DAGS))
def test_every_task_keeps_the_rules(dag_bag: Any, dag_id: str) -> None:
    tasks = dag_bag.dags[dag_id].tasks
    assert len(tasks) >= 8
    for task in tasks:
        assert task.owner == OWNER, task.task_id
        assert isinstance(task.retry_policy, RetryUnlessWatched), task.task_id
        assert _events(task.on_failure_callback) == ["task_failed"], task.task_id
        assert _events(task.on_retry_callback) == ["task_failed_will_retry"], task.task_id
        assert task.pool in {"default_pool", *POOLS}, task.task_id
        assert task.doc_md, task.task_id
        assert task.retries in (0, 2), task.task_id
        assert task.execution_timeout is not None or task.task_id == "take_lease", task.task_id


def _events(callbacks: Any) -> list[str]:
    """Of a mapped task Airflow keeps the callback as it was given, of others a list."""
    listed = callbacks if isinstance(callbacks, list) else [callbacks]
    assert all(isinstance(callback, LogLine) for callback in listed)
    return [callback.event for callback in listed]


def test_parsing_imports_nothing_heavy(manifest: Any) -> None:
    """Every task process parses the Dag anew."""
    program = (
        "import sys; from airflow.dag_processing.dagbag import DagBag;"
        "bag = DagBag(sys.argv[1]); assert bag.dags, bag.import_errors;"
        f"print('LOADED', *sorted({HEAVY!r} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(PROJECT / "dags")], capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"^LOADED.*$", told, re.MULTILINE) == ["LOADED"]


def test_a_missing_manifest_says_what_to_run(lakehouse_home: Any, tmp_path: Any) -> None:
    from airflow.dag_processing.dagbag import DagBag

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_HOME", str(tmp_path))
        bag = DagBag(dag_folder=str(PROJECT / "dags"))
    (said,) = bag.import_errors.values()
    assert re.search(r"manifest.json is missing: run `make run` or `make shell`", said)
