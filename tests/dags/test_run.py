"""Whole runs through Airflow with steps that only pretend: what goes on, and what is told, after a failure.

The Dag is drawn from a few models only; what the steps really do is tested elsewhere.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.errors import (
    InputError,
    LakehouseError,
    ReportError,
    SettingsError,
    SourceRefusedError,
    StageError,
    TransformError,
)
from include.nightscout.connections import Credentials
from include.nightscout.sites import Site
from include.nightscout.zones import ZoneValidity
from include.run import reports
from include.run.transform import prepare_target
from include.serving.runs import FAILED, LEFT_OUT, SUCCEEDED, Ending
from include.settings import PROJECT, load_settings
from tests.dags.ended_run import DAY, Run
from tests.dags.pretended_steps import LEASE, PretendedSteps

BRANCH = {"branch": "run-1"}
WINDOW = {"collection": "entries", "start": f"{DAY}", "end": f"{DAY.add(days=1)}"}
SITES = ("first", "second")
FIRST = "2024-10-15T00:01:00+00:00"
DBT = "dbt.build", "dbt.bronze.stg_sites", "dbt.gold.dim_sites"


class Steps(PretendedSteps):
    """Every step answers as the real one does."""

    def __init__(self, target: Path) -> None:
        super().__init__()
        self.target = target
        self.failing_sites: dict[str, Exception] = {}
        self.left_out: dict[str, str] = {}
        self.failing_models: dict[str, str] = {}
        self.promote_asked = True
        self.requests: list[dict[str, Any]] = []
        self.settings = load_settings()
        self.sites = {name: Site(name, "", (ZoneValidity("UTC"),), Credentials()) for name in SITES}

    def take_lease(self, owner: Any, has_ended: Callable[[Any], bool]) -> dict[str, Any]:
        self._call("take_lease")
        assert owner.pid
        assert has_ended(owner) is False
        return LEASE

    def plan(self, request: dict[str, Any], lease: dict[str, Any]) -> dict[str, Any]:
        self._call("plan")
        assert lease == LEASE
        self.requests.append(request)
        windows = [WINDOW | {"site_id": site} for site in SITES]
        first, last = request["first_day"] or "2024-10-15", request["last_day"] or "2024-10-15"
        return {"windows": windows, "promote": self.promote_asked, "first_day": first, "last_day": last}

    def open_branch(self, _lease: dict[str, Any], _plan: dict[str, Any]) -> dict[str, Any]:
        self._call("open_branch")
        return BRANCH | {"dbt_environment": {"DBT_TARGET_PATH": str(self.target / "build")}}

    def stage(self, window: dict[str, Any], _branch: dict[str, Any]) -> dict[str, Any]:
        self._call("stage")
        if window["site_id"] in self.failing_sites:
            raise self.failing_sites[window["site_id"]]
        return {**window, "read_id": "read"}

    def validate(self, _branch: dict[str, Any], staged: list[dict[str, Any]]) -> dict[str, Any]:
        self._call("validate")
        assert [result["site_id"] for result in staged] == list(SITES)
        return {"received": 7, "accepted": 6, "quarantined": 1}

    def merge(self, _branch: dict[str, Any], staged: list[dict[str, Any]]) -> dict[str, Any]:
        self._call("merge")
        ones = ("received", "accepted", "quarantined", "inserted", "updated", "retired")
        count = {"entries": dict.fromkeys(ones, 1) | {"tombstoned": 2}}
        counts = {result["site_id"]: count for result in staged if "failed" not in result}
        instants = {"first_instant": FIRST, "last_instant": None, "mean_glucose_mg_dl": 110.5}
        return {"counts": counts, "left_out": self.left_out, "set_aside": [], **instants}

    def build(self, branch: dict[str, Any]) -> None:
        """What dbt leaves: results, in the folder that the environment names."""
        target = Path(branch["dbt_environment"]["DBT_TARGET_PATH"])
        prepare_target(target)
        self._call("build")
        manifest = json.loads((self.target / "manifest.json").read_bytes())
        results = [
            {
                "unique_id": name,
                "status": self.failing_models.get(node["name"], "success"),
                "message": "it is broken" if node["name"] in self.failing_models else "OK",
                "execution_time": 0.1,
            }
            for name, node in manifest["nodes"].items()
        ]
        (target / "run_results.json").write_text(json.dumps({"results": results}))
        if self.failing_models:
            raise TransformError("dbt build: stg_sites: it is broken")

    def audit(self, _branch: dict[str, Any]) -> dict[str, Any]:
        self._call("audit")
        return {"head": "head", "warnings": ["a gap"]}

    def promote(self, _branch: dict[str, Any], audited: dict[str, Any]) -> dict[str, Any]:
        self._call("promote")
        assert audited["head"] == "head"
        return {"version": "run-1"}

    def publish(self, _lease: dict[str, Any]) -> dict[str, Any]:
        self._call("publish")
        return {"published": "promote" in self.calls, "version": "run-1"}

    def make_reports(self, pipeline: Any) -> dict[str, Any]:
        self._call("report")
        assert pipeline is self
        return {
            "version": "run-1",
            "pages": [f"{site}.html" for site in SITES] if "promote" in self.calls else [],
        }


@pytest.fixture
def steps(few_models: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    from include.orchestration import pipeline

    pretended = Steps(few_models)
    monkeypatch.setattr(pipeline, "pipeline", lambda: pretended)
    monkeypatch.setattr(reports, "make_reports", pretended.make_reports)
    return pretended


@pytest.fixture(scope="module")
def dag(few_models: Path) -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(PROJECT / "dags")).dags["nightscout_glucose"]


def test_a_run_in_which_all_goes_well(dag: Any, steps: Steps) -> None:
    run = Run(dag)

    assert run.state == "success"
    assert set(run.states.values()) == {"success"}
    assert set(DBT) <= set(run.states)
    assert steps.calls == [
        *("take_lease", "plan", "open_branch", "stage", "stage", "validate", "merge", "build"),
        *("audit", "promote", "publish", "report", "verdict", "close_run"),
    ]
    assert steps.requests[0]["key"] == "2024-10-15"
    assert run.map_names == {f"{site} entries {DAY}..{DAY.add(days=1)}" for site in SITES}
    facts = {
        "received": 2,
        "accepted": 2,
        "quarantined": 2,
        "inserted": 2,
        "updated": 2,
        "deleted": 6,
        "first_instant": FIRST,
        "last_instant": None,
        "mean_glucose_mg_dl": 110.5,
        "windows": [
            {
                "site_id": site,
                "collection": "entries",
                "count": 1,
                "start": f"{DAY}",
                "end": f"{DAY.add(days=1)}",
            }
            for site in SITES
        ],
        "left_out": [],
    }
    assert run.events() == {
        "nightscout_raw": [("2024-10-15", facts)],
        "nightscout_marts": [("2024-10-15", facts | {"published": True, "version": "run-1"})],
    }


def test_what_is_recorded_of_a_run_in_which_all_goes_well(dag: Any, steps: Steps) -> None:
    assert Run(dag).state == "success"
    counts = {"received": 7, "accepted": 6, "quarantined": 1, "inserted": 2, "updated": 2, "deleted": 6}
    assert steps.ending == Ending(
        SUCCEEDED, version="run-1", published=True, counts=counts, warnings=("a gap",)
    )


def test_a_range_tells_of_every_day_that_it_wrote(dag: Any, steps: Steps) -> None:
    run = Run(dag, start="2024-10-14", end="2024-10-16")
    assert run.state == "success"
    assert (steps.requests[0]["first_day"], steps.requests[0]["last_day"]) == ("2024-10-14", "2024-10-16")
    days = ["2024-10-14", "2024-10-15", "2024-10-16"]
    assert {name: sorted(key for key, _ in told) for name, told in run.events().items()} == {
        "nightscout_raw": days,
        "nightscout_marts": days,
    }


def test_a_model_that_fails_is_red_and_stops_the_run_before_main(dag: Any, steps: Steps) -> None:
    steps.failing_models = {"stg_sites": "error", "dim_sites": "skipped"}
    run = Run(dag)
    assert run.state == "failed"
    assert {
        task: run.states[task] for task in (*DBT, "audit", "promote", "publish", "verdict", "close_run")
    } == {
        "dbt.build": "failed",
        "dbt.bronze.stg_sites": "failed",
        "dbt.gold.dim_sites": "upstream_failed",
        "audit": "upstream_failed",
        "promote": "upstream_failed",
        "publish": "skipped",
        "verdict": "failed",
        "close_run": "success",
    }
    assert steps.ending is not None
    assert (steps.ending.outcome, steps.ending.reason) == (FAILED, run.reason())
    assert (steps.ending.version, steps.ending.published, steps.ending.counts["inserted"]) == (None, False, 2)
    assert run.reason("dbt.bronze.stg_sites") == "model.glucose.stg_sites: stg_sites error: it is broken"
    assert run.reason() == "dbt.build: dbt build: stg_sites: it is broken"  # once, not again for each model


def test_a_build_that_dies_leaves_no_model_green(dag: Any, steps: Steps) -> None:
    steps.failing = {"build": LakehouseError("killed")}
    run = Run(dag)
    assert {run.states[task] for task in DBT} == {"failed", "upstream_failed"}
    assert "did not get to it" in run.reason("dbt.bronze.stg_sites")
    assert run.states["audit"] == "upstream_failed"


@pytest.mark.parametrize(
    "error",
    [
        SourceRefusedError("401: wrong token"),
        SettingsError("connection first is not defined"),
        StageError("its manifest is damaged"),
    ],
)
def test_a_site_that_cannot_be_read_does_not_stop_the_others(
    dag: Any, steps: Steps, error: Exception
) -> None:
    steps.failing_sites = {"first": error}
    run = Run(dag)
    assert run.state == "failed"
    assert [task for task, state in run.states.items() if state != "success"] == ["verdict"]
    again = "older than HEAL_DAYS: read it again with make run START=2024-10-15 END=2024-10-15"
    assert run.reason() == f"site first: {error}; {again}. The last data of this site stays"
    assert run.events()["nightscout_raw"][0][1]["received"] == 1


def test_with_no_site_left_nothing_is_built_and_the_lease_comes_back(dag: Any, steps: Steps) -> None:
    steps.failing_sites = {"first": SourceRefusedError("401: wrong token")}
    steps.left_out = {"second": "30 % quarantined"}
    run = Run(dag)
    assert run.state == "failed"
    assert {task for task, state in run.states.items() if state == "skipped"} >= {
        *("merge", "dbt.build", "dbt.bronze.stg_sites", "audit", "promote"),
    }
    assert steps.calls[-4:] == ["publish", "report", "verdict", "close_run"]
    assert "site first: 401: wrong token" in run.reason()
    assert "site second: 30 % quarantined" in run.reason()
    assert steps.ending is not None
    assert (steps.ending.outcome, steps.ending.reason) == (LEFT_OUT, run.reason())
    assert steps.ending.left_out == ("first", "second")
    assert steps.ending.counts["received"] == 7
    assert run.events() == {}


def test_a_report_that_cannot_be_made_is_told_and_what_is_published_stays(dag: Any, steps: Steps) -> None:
    steps.failing = {"report": ReportError("site first: no room")}
    run = Run(dag)
    assert run.state == "failed"
    assert [task for task, state in run.states.items() if state != "success"] == ["report", "verdict"]
    assert run.reason() == "report: site first: no room"
    assert steps.ending is not None
    assert (steps.ending.outcome, steps.ending.published) == (FAILED, True)
    assert set(run.events()) == {"nightscout_raw", "nightscout_marts"}


def test_a_wrong_form_fails_at_once_and_names_the_task(dag: Any, steps: Steps) -> None:
    steps.failing = {"plan": InputError("the range ends before it starts")}
    run = Run(dag)
    assert run.state == "failed"
    assert steps.calls == ["take_lease", "plan", "publish", "report", "verdict", "close_run"]
    assert run.reason() == "plan: the range ends before it starts"
    assert steps.ending == Ending(FAILED, reason="plan: the range ends before it starts")


def test_without_the_lease_nothing_is_touched(dag: Any, steps: Steps) -> None:
    steps.failing = {"take_lease": LakehouseError("Postgres is gone")}
    run = Run(dag)
    assert run.state == "failed"
    assert steps.calls == ["take_lease"]
    assert run.reason("take_lease") == "Postgres is gone"
    assert run.states["verdict"] == "upstream_failed"


def test_a_branch_to_look_at_is_not_promoted(dag: Any, steps: Steps) -> None:
    steps.promote_asked = False
    run = Run(dag, promote=False)
    assert run.state == "success"
    assert "promote" not in steps.calls
    assert steps.calls[-4:] == ["publish", "report", "verdict", "close_run"]
    assert (run.states["publish"], run.states["report"]) == ("skipped", "skipped")
    assert set(run.events()) == {"nightscout_raw"}
