"""What the tasks of a run do: each calls one step of `include.run` and says what Airflow should make of it.

The steps are imported when a task runs: parsing the Dag would otherwise import dlt, PyIceberg and polars.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTimeout

from include.errors import SITE_ERRORS
from include.orchestration.defaults import BUILD, GROUP
from include.orchestration.events import MARTS, RAW, days_between, merge_facts
from include.orchestration.lease_owner import TAKE_LEASE, has_ended, owner_of
from include.orchestration.notifiers import FAILURE
from include.orchestration.retries import is_final
from include.orchestration.run_request import run_request

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from include.run.pipeline import Pipeline

Facts = dict[str, Any]


class TakeLease(BaseSensorOperator):
    """Wait for this run's turn: one run writes at a time, wherever it was started.

    It pokes: sensors that were rescheduled at short intervals failed under LocalExecutor, their old try's end
    being taken for the new one's.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(mode="poke", poke_interval=5, timeout=7200, execution_timeout=None, **arguments)

    def poke(self, context: "Context") -> PokeReturnValue:
        """Done once the lease is ours; the lease is the result."""
        task_instance = context["ti"]
        lease = _pipeline().take_lease(
            owner_of(context),
            lambda owner: has_ended(owner, task_instance),
        )
        return PokeReturnValue(lease is not None, xcom_value=lease)


def plan(lease: Facts, **context: Any) -> list[Facts]:
    """Decide which windows to read. Returns them, and leaves all that was decided under the key `plan`."""
    planned = _pipeline().plan(run_request(context), lease)
    context["ti"].xcom_push(key="plan", value=planned)
    windows: list[Facts] = planned["windows"]
    return windows


def open_branch(lease: Facts, planned: Facts) -> Facts:
    """Open the branch that this run works on, from main as it is now."""
    return _pipeline().open_branch(lease, planned)


def stage(window: Facts, branch: Facts, **context: Any) -> Facts:
    """Read one window whole into the stage. A final failure is returned, so that other sites go on."""
    try:
        return _pipeline().stage(window, branch)
    except (*SITE_ERRORS, AirflowTaskTimeout) as error:
        if not is_final(error, context):
            raise
        from include.run.unread import failed_window

        reason = str(error) or "it was not read within the time that a task may take"
        return failed_window(_pipeline(), window, reason)


def validate(branch: Facts, staged: Sequence[Facts]) -> Facts:
    """Part accepted from quarantined documents, row by row."""
    return _pipeline().validate(branch, _all(staged))


def merge(branch: Facts, staged: Sequence[Facts], planned: Facts, **context: Any) -> Facts:
    """Merge what was read into the raw tables of the branch. Skipped when every site was left out."""
    results = _all(staged)
    merged = _pipeline().merge(branch, results) | {"days": _days(planned, context)}
    read = _read(results)
    if not {window["site_id"] for window in read} - set(merged["left_out"]):
        context["ti"].xcom_push(key="return_value", value=merged)  # the verdict names the reasons
        raise AirflowSkipException("no site is left: the task `verdict` says why")
    event = context["outlet_events"][RAW]
    event.extra = merge_facts(merged, read)
    event.add_partitions(merged["days"])
    return merged


def audit(branch: Facts) -> Facts:
    """Prove the branch: the ledger, the contracts of its tables, and that nothing else was touched."""
    return _pipeline().audit(branch)


def promote(branch: Facts, audited: Facts, planned: Facts) -> Facts:
    """Make the branch main, all tables at once. Skipped when the form says so."""
    if not planned["promote"]:
        raise AirflowSkipException(f"not to be promoted: the finished branch is {branch['branch']}")
    return _pipeline().promote(branch, audited)


def publish(
    staged: Sequence[Facts] | None, merged: Facts | None, promoted: Facts | None, **context: Any
) -> Facts:
    """Show readers main as it is now, whatever happened before in this run."""
    # Not an argument: what follows a setup task directly may not run when that failed.
    lease = context["ti"].xcom_pull(task_ids=TAKE_LEASE)
    published = _pipeline().publish(lease)
    if not published["published"]:
        raise AirflowSkipException("readers see what main holds already")
    event = context["outlet_events"][MARTS]
    event.extra = published
    if staged and merged and promoted:  # else readers now see what earlier runs wrote
        event.extra = merge_facts(merged, _read(_all(staged))) | published
        event.add_partitions(merged["days"])
    return published


def report() -> Facts:
    """Make the reports of every site. Skipped when each shows what is published already."""
    from include.run.reports import make_reports

    made = make_reports(_pipeline())
    if not made["pages"]:
        raise AirflowSkipException("every report shows what is published already")
    return made


def verdict(staged: Sequence[Facts] | None, merged: Facts | None, **context: Any) -> None:
    """Fail when a site was left out or a task failed, naming it and the reason."""
    _pipeline().verdict(_all(staged or []), merged, _failures(context))


def close_run(
    lease: Facts,
    staged: Sequence[Facts] | None,
    validated: Facts | None,
    merged: Facts | None,
    audited: Facts | None,
    promoted: Facts | None,
    published: Facts | None,
    **context: Any,
) -> Facts:
    """Record how the run ended, in `ops.runs`, and give the lease back; always runs once that was taken."""
    results = {
        "staged": _all(staged or []),
        "validated": validated,
        "merged": merged,
        "audited": audited,
        "promoted": promoted,
        "published": published,
        "failures": _failures(context),
    }
    return _pipeline().close_run(lease, results)


def _all(staged: Sequence[Facts]) -> list[Facts]:
    """The results of mapped tasks by one request; one by one, Airflow asks past the end and logs an error."""
    return list(staged[:])


def _read(results: Sequence[Facts]) -> list[Facts]:
    return [result for result in results if "failed" not in result]


def _days(planned: Facts, context: Mapping[str, Any]) -> list[str]:
    """The days that a run without a partition of its own wrote, so that whoever waits for one hears of it."""
    if context["dag_run"].partition_key is not None:
        return []
    return days_between(planned["first_day"], planned["last_day"])


def _failures(context: Mapping[str, Any]) -> dict[str, str]:
    """Task id and reason of every task of this run that failed; not those that only waited for one."""
    failed = [name for name, state in _states(context).items() if state == "failed"]
    if f"{GROUP}.{BUILD}" in failed:  # its reason names the models; their own tasks only repeat it
        failed = [name for name in failed if name == f"{GROUP}.{BUILD}" or not name.startswith(f"{GROUP}.")]
    return {name: _reason(name, context) for name in failed}


def _reason(name: str, context: Mapping[str, Any]) -> str:
    task_id, map_index = _task_and_map_index(name, context)
    said = context["ti"].xcom_pull(task_ids=task_id, map_indexes=map_index, key=FAILURE)
    return said if isinstance(said, str) else "see its log"


def _task_and_map_index(name: str, context: Mapping[str, Any]) -> tuple[str, int]:
    """Airflow names the third of a mapped task's instances `stage_2`."""
    if context["dag"].has_task(name):
        return name, -1
    task_id, _, map_index = name.rpartition("_")
    return task_id, int(map_index)


def _states(context: Mapping[str, Any]) -> dict[str, str | None]:
    run = context["dag_run"]
    states = context["ti"].get_task_states(dag_id=run.dag_id, run_ids=[run.run_id])
    return dict(states.get(run.run_id, {}))


def _pipeline() -> "Pipeline":
    from include.orchestration.pipeline import pipeline

    return pipeline()
