"""A whole run in one process, without an orchestrator: the steps in the order of the Dag."""

from typing import Any

from include.run.pipeline import Pipeline
from include.run.turn import owner_of_this_process, process_has_ended

Facts = dict[str, Any]

RESULTS = ("staged", "validated", "merged", "audited", "promoted", "published")


def day(key: str) -> Facts:
    """The request of a backfill of one day."""
    return {"key": key, "is_scheduled": False}


def days(first: str, last: str) -> Facts:
    """The request of a range run."""
    return {"first_day": first, "last_day": last, "is_scheduled": False}


def until_staged(pipeline: Pipeline, request: Facts, run_id: str) -> tuple[Facts, Facts, list[Facts]]:
    """The first steps of a run: its lease, its branch, and what was staged and validated."""
    lease = pipeline.take_lease(owner_of_this_process("test", run_id), process_has_ended)
    assert lease is not None
    plan = pipeline.plan(request, lease)
    branch = pipeline.open_branch(lease, plan)
    staged = [pipeline.stage(window, branch) for window in plan["windows"]]
    pipeline.validate(branch, staged)
    return lease, branch, staged


def run(pipeline: Pipeline, request: Facts, run_id: str) -> Facts:
    """Every step; returns the plan and what merge reported. Raises what the first failing step raises."""
    lease = pipeline.take_lease(owner_of_this_process("test", run_id), process_has_ended)
    assert lease is not None, f"{pipeline.leases.holder()} holds the lease"
    results: Facts = dict.fromkeys(RESULTS)
    results["failures"] = {}
    try:
        plan = pipeline.plan(request, lease)
        branch = pipeline.open_branch(lease, plan)
        staged = results["staged"] = [pipeline.stage(window, branch) for window in plan["windows"]]
        results["validated"] = pipeline.validate(branch, staged)
        merged = results["merged"] = pipeline.merge(branch, staged)
        pipeline.build(branch)
        results["audited"] = pipeline.audit(branch)
        results["promoted"] = pipeline.promote(branch, results["audited"])
        results["published"] = pipeline.publish(lease)
        pipeline.verdict(staged, merged, {})
    except Exception as error:
        results["failures"]["step"] = str(error)
        raise
    finally:
        pipeline.close_run(lease, results)
    return {"plan": plan, "merged": merged}
