"""Maintenance through Airflow with steps that only pretend: what goes on, and is told, after a failure."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

from include.errors import AuditError, LakehouseError, PublishError, ServiceError
from include.run import maintenance
from include.serving.runs import FAILED, SUCCEEDED, Ending
from include.settings import PROJECT, Settings
from tests.dags.ended_run import Run
from tests.dags.pretended_steps import LEASE, PretendedSteps

BRANCH = {"branch": "run-1", "base": "run-0", "lease": LEASE, "replaced_files": {"quarantine": 3}}
AUDITED = {"head": "the head", "warnings": []}


class Steps(PretendedSteps):
    """Every step answers as the real one does."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.compacted: dict[str, Any] | None = BRANCH
        self.shown = False

    def take_lease(self, owner: Any, _has_ended: Callable[[Any], bool]) -> dict[str, Any]:
        self._call("take_lease")
        assert owner.dag_id == "lakehouse_maintenance"
        return LEASE

    def compact_main(self, pipeline: Any, lease: dict[str, Any]) -> dict[str, Any] | None:
        self._call("compact")
        assert (pipeline, lease) == (self, LEASE)
        return self.compacted

    def audit_compacted(self, pipeline: Any, branch: dict[str, Any]) -> dict[str, Any]:
        self._call("audit")
        assert (pipeline, branch) == (self, BRANCH)
        return AUDITED

    def promote(self, branch: dict[str, Any], audited: dict[str, Any]) -> dict[str, Any]:
        self._call("promote")
        assert (branch, audited) == (BRANCH, AUDITED)
        return {"version": "run-1"}

    def publish(self, lease: dict[str, Any]) -> dict[str, Any]:
        self._call("publish")
        assert lease == LEASE
        return {"published": not self.shown, "version": "run-1"}

    def remove_left_overs(self, pipeline: Any) -> dict[str, Any]:
        self._call("remove_left_overs")
        assert pipeline is self
        return {"unfinished_reads": 0, "logs": 1, "spilled_files": 0}


@pytest.fixture
def steps(few_models: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    from include.orchestration import pipeline

    pretended = Steps(Settings(_env_file=None))
    monkeypatch.setattr(pipeline, "pipeline", lambda: pretended)
    for step in ("compact_main", "audit_compacted", "remove_left_overs"):
        monkeypatch.setattr(maintenance, step, getattr(pretended, step))
    return pretended


@pytest.fixture(scope="module")
def dag(few_models: Path) -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(PROJECT / "dags")).dags["lakehouse_maintenance"]


def test_it_runs_once_a_week_and_makes_up_for_one_missed_week(dag: Any) -> None:
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    restriction = TimeRestriction(dag.start_date, None, dag.catchup)
    first = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    then = timetable.next_dagrun_info(
        last_automated_data_interval=first.data_interval, restriction=restriction
    )
    assert first.run_after <= datetime.now(UTC) < then.run_after
    assert then.run_after - first.run_after == timedelta(days=7)
    assert f"{first.run_after:%A %H:%M %Z}" == "Sunday 03:30 UTC"


def test_a_run_that_compacts(dag: Any, steps: Steps) -> None:
    run = Run(dag)
    assert run.state == "success"
    assert set(run.states.values()) == {"success"}
    assert [call for call in steps.calls if call != "remove_left_overs"] == [
        *("take_lease", "compact", "audit", "promote", "publish", "verdict", "close_run"),
    ]
    assert steps.ending == Ending(SUCCEEDED, version="run-1", published=True)
    assert run.events() == {"nightscout_marts": [(None, {"published": True, "version": "run-1"})]}


def test_with_nothing_to_do_nothing_is_promoted(dag: Any, steps: Steps) -> None:
    steps.compacted, steps.shown = None, True
    run = Run(dag)
    assert run.state == "success"
    skipped = {task for task, state in run.states.items() if state == "skipped"}
    assert skipped == {"compact", "audit", "promote", "publish"}
    assert steps.calls[-2:] == ["verdict", "close_run"]
    assert steps.ending == Ending(SUCCEEDED)
    assert run.events() == {}


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ("compact", ServiceError("the disk is full")),
        ("audit", AuditError("a row is gone")),
        ("publish", PublishError("Postgres refuses")),
        ("remove_left_overs", LakehouseError("it cannot be read")),
    ],
)
def test_a_step_that_fails_is_told_and_the_lease_comes_back(
    dag: Any, steps: Steps, task: str, error: Exception
) -> None:
    steps.failing = {task: error}
    run = Run(dag)
    assert run.state == "failed"
    assert run.states["verdict"] == "failed"
    assert run.reason() == f"{task}: {error}"
    assert ("promote" in steps.calls) is (task in ("publish", "remove_left_overs"))
    assert steps.calls[-2:] == ["verdict", "close_run"]
    assert "publish" in steps.calls
    assert steps.ending is not None
    assert (steps.ending.outcome, steps.ending.reason) == (FAILED, run.reason())


def test_without_the_lease_nothing_is_touched(dag: Any, steps: Steps) -> None:
    steps.failing = {"take_lease": LakehouseError("Postgres is gone")}
    run = Run(dag)
    assert run.state == "failed"
    assert steps.calls == ["take_lease"]


def test_the_lease_is_given_back_by_a_teardown(dag: Any) -> None:
    assert [task.task_id for task in dag.tasks if task.is_setup] == ["take_lease"]
    assert [task.task_id for task in dag.tasks if task.is_teardown] == ["close_run"]
    assert dag.get_task("close_run").on_failure_fail_dagrun is False
    assert dag.get_task("take_lease").pool == "lease"
