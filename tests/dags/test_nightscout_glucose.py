"""The shape of the glucose run: which task waits for which, and under which rule."""

import copy
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from include.orchestration.dbt_tasks import DbtBuild, DbtOutcome
from tests.orchestration.airflow_home import CATCHUP_DAYS

LAYERS = ("bronze", "silver", "gold", "marts")
CHAIN = [
    "take_lease",
    "plan",
    "open_branch",
    "stage",
    "validate",
    "merge",
    "dbt.build",
    "audit",
    "promote",
    "publish",
    "report",
    "verdict",
    "close_run",
]


@pytest.fixture(scope="module")
def dag(dag_bag: Any) -> Any:
    return dag_bag.dags["nightscout_glucose"]


@pytest.fixture(scope="module")
def models(manifest: Path) -> dict[str, dict[str, Any]]:
    nodes = json.loads(manifest.read_bytes())["nodes"].values()
    return {node["unique_id"]: node for node in nodes if node["resource_type"] == "model"}


def test_missed_days_are_caught_up(dag: Any) -> None:
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert stored.timetable.catchup_days == CATCHUP_DAYS
    assert dag.catchup is True


def test_the_steps_follow_each_other(dag: Any) -> None:
    for earlier, later in pairwise(CHAIN):
        assert earlier in dag.get_task(later).upstream_task_ids, (earlier, later)


def test_only_the_end_of_a_run_goes_on_after_a_failure(dag: Any) -> None:
    unusual = {
        task.task_id: task.trigger_rule
        for task in dag.tasks
        if task.trigger_rule != TriggerRule.ALL_SUCCESS and not isinstance(task, DbtOutcome)
    }
    assert unusual == {
        "publish": TriggerRule.ALL_DONE,
        "report": TriggerRule.NONE_FAILED,
        "verdict": TriggerRule.ALL_DONE,
        "close_run": TriggerRule.ALL_DONE_SETUP_SUCCESS,
    }


def test_the_lease_is_given_back_by_a_teardown(dag: Any) -> None:
    assert [task.task_id for task in dag.tasks if task.is_setup] == ["take_lease"]
    assert [task.task_id for task in dag.tasks if task.is_teardown] == ["close_run"]
    assert dag.get_task("close_run").on_failure_fail_dagrun is False
    assert {"take_lease", "verdict"} <= dag.get_task("close_run").upstream_task_ids


def test_waiting_for_the_lease_pokes(dag: Any) -> None:
    """Rescheduled sensors failed under LocalExecutor."""
    lease = dag.get_task("take_lease")
    assert (lease.mode, lease.timeout, lease.execution_timeout) == ("poke", 7200, None)


def test_pools(dag: Any) -> None:
    assert dag.get_task("stage").pool == "nightscout_api"
    assert dag.get_task("take_lease").pool == "lease"
    assert dag.get_task("dbt.build").pool == "warehouse"


def test_windows_are_mapped_and_named(dag: Any) -> None:
    stage = dag.get_task("stage")
    assert stage.is_mapped
    assert "site_id" in stage.map_index_template


def test_assets_are_told_by_merge_and_publish(dag: Any) -> None:
    told = {task.task_id: [asset.name for asset in task.outlets] for task in dag.tasks if task.outlets}
    assert told == {"merge": ["nightscout_raw"], "publish": ["nightscout_marts"]}


def test_layers_are_groups_with_one_task_a_model(dag: Any, models: dict[str, dict[str, Any]]) -> None:
    shown = [node for node in models.values() if not node["name"].startswith("int_")]
    assert 12 <= len(shown) < len(models)
    groups = dag.task_group.get_task_group_dict()
    drawn = {f"dbt.{layer}": set(groups[f"dbt.{layer}"].children) for layer in LAYERS}
    for node in shown:
        assert _task_id(node) in drawn[_task_id(node).rpartition(".")[0]]
    assert sum(map(len, drawn.values())) == len(shown)


def test_one_task_builds_and_no_other_runs_dbt(dag: Any, models: dict[str, dict[str, Any]]) -> None:
    tasks = [task for task in dag.tasks if task.task_id.startswith("dbt.")]
    assert [task.task_id for task in tasks if isinstance(task, DbtBuild)] == ["dbt.build"]
    others = [task for task in tasks if not isinstance(task, DbtBuild)]
    assert {type(task).__name__ for task in others} == {"DbtOutcome"}
    assert {task.model for task in others} == {
        node for node, facts in models.items() if not facts["name"].startswith("int_")
    }


def test_models_wait_for_what_they_read(dag: Any, models: dict[str, dict[str, Any]]) -> None:
    shown = {name: node for name, node in models.items() if not node["name"].startswith("int_")}
    roots = 0
    for name, node in shown.items():
        run = dag.get_task(_task_id(node))
        expected = {_task_id(shown[parent]) for parent in shown if is_read_by(parent, name, models)}
        if not expected:
            roots += 1
            expected = {"dbt.build"}
            assert run.trigger_rule == TriggerRule.ONE_DONE
        assert run.upstream_task_ids == expected, name
    assert roots


def is_read_by(model: str, reader: str, models: dict[str, dict[str, Any]]) -> bool:
    """Whether it reads the model itself, or an intermediate model does for it."""
    parents = [parent for parent in models[reader]["depends_on"]["nodes"] if parent in models]
    hidden = [parent for parent in parents if models[parent]["name"].startswith("int_")]
    return model in parents or any(is_read_by(model, parent, models) for parent in hidden)


def test_audit_waits_for_the_build_and_for_every_last_model(dag: Any) -> None:
    waits_for = dag.get_task("audit").upstream_task_ids
    assert "dbt.build" in waits_for  # a failure there may belong to no model
    ends = {
        task.task_id
        for task in dag.tasks
        if isinstance(task, DbtOutcome)
        and not any(one.startswith("dbt.") for one in task.downstream_task_ids)
    }
    assert ends
    assert ends <= waits_for


def test_only_the_build_is_tried_again_by_itself(dag: Any) -> None:
    retried = {task.task_id for task in dag.tasks if task.task_id.startswith("dbt.") and task.retries}
    assert retried == {"dbt.build"}  # when a service was down; the tasks of models only tell how it went


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("start", "2024-10-01", "October"),
        ("end", None, "31.10.2024"),
        ("promote", False, "no"),
        ("max_quarantine_pct", 12.5, 101),
        ("max_missing_pct", 100, -1),
    ],
)
def test_the_form_is_typed(dag: Any, field: str, good: object, bad: object) -> None:
    param = copy.deepcopy(dag.params.get_param(field))
    assert param.resolve(good) == good
    with pytest.raises(ParamValidationError):
        param.resolve(bad)


def test_the_form_has_titles(dag: Any) -> None:
    assert {name: dag.params.get_param(name).schema["title"] for name in dag.params} == {
        "start": "First day",
        "end": "Last day",
        "promote": "Promote",
        "max_quarantine_pct": "Quarantine limit, %",
        "max_missing_pct": "Missing limit, %",
    }


def _task_id(node: dict[str, Any]) -> str:
    return f"dbt.{Path(node['original_file_path']).parts[1]}.{node['name']}"
