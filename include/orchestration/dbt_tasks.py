"""The tasks of the dbt group: one that builds everything, and for each model those that say how it went."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.errors import TransformError
from include.orchestration.dbt_results import GOOD, Result, read_results
from include.run.transform import RESULTS, manifest_path

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class DbtBuild(BaseOperator):
    """Build every model and run every test on the run's branch, with one `dbt build` in this process.

    Its result is what dbt did with each model; it is left behind also when the build fails. A second try, or
    a cleared one, builds again.
    """

    ui_color = "#ffd7b5"

    def __init__(self, *, branch_task: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.branch_task = branch_task

    def execute(self, context: "Context") -> None:
        """Raises what the step `build` raises: TransformError naming models and tests, or a lost lease."""
        from include.orchestration.pipeline import pipeline

        task_instance = context["ti"]
        branch = task_instance.xcom_pull(task_ids=self.branch_task)
        results = Path(branch["dbt_environment"]["DBT_TARGET_PATH"], RESULTS)
        steps = pipeline()
        try:
            steps.build(branch)
        finally:
            outcome = read_results(results, manifest_path(steps.settings))
            task_instance.xcom_push(key="return_value", value=outcome)


class DbtOutcome(BaseOperator):
    """Green when the build made this model and its tests passed, red with dbt's own words when not.

    It never runs dbt: tried again or cleared alone it says the same. To build again, clear the task `build`.
    """

    ui_color = "#ffefe0"

    def __init__(self, *, model: str, build_task: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.model = model
        self.build_task = build_task

    def execute(self, context: "Context") -> None:
        """Raises TransformError when dbt failed, skipped, or never reached what this task stands for."""
        built = context["ti"].xcom_pull(task_ids=self.build_task) or {}
        mine = built.get(self.model, [])
        for row in mine:
            self.log.info("%s: %s, %s s", row["node"], row["status"], row["seconds"])
        bad = [_sentence(row) for row in mine if row["status"] not in GOOD]
        if bad or not mine:
            reason = "; ".join(bad) or "dbt did not get to it; the task `build` says why"
            raise TransformError(f"{self.model}: {reason}")


def _sentence(row: Result) -> str:
    said = f"{row['name']} {row['status']}"
    return f"{said}: {row['message']}" if row["message"] else said
