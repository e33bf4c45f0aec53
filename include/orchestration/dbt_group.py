"""The dbt project as a task group: drawn by Cosmos from dbt's manifest, built by one `dbt build`."""

from pathlib import PurePath
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TaskGroup, TriggerRule
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import DbtResourceType, ExecutionMode, InvocationMode, LoadMode, TestBehavior

from include.errors import SettingsError
from include.orchestration.dbt_tasks import DbtBuild, DbtOutcome
from include.orchestration.defaults import BUILD, GROUP
from include.orchestration.pools import WAREHOUSE_POOL
from include.run.transform import DBT_PROJECT, manifest_path
from include.settings import Settings


def dbt_group(settings: Settings, *, branch_task: str) -> TaskGroup:
    """`dbt.build`, then `dbt.<layer>.<model>` for every model, in dbt's own order.

    Cosmos draws models and edges; how a model runs is ours (`DbtOutcome`), because Cosmos has no mode with
    one build that can be tried again: when a run is cleared its producer only skips, and its watchers then
    build their own models, several at once, while DuckDB's file has one writer. Tasks of models start when
    the build is over, also when it failed, so that each says what became of it. Raises SettingsError when
    dbt's manifest is missing.
    """
    manifest = manifest_path(settings)
    if not manifest.exists():
        raise SettingsError(
            f"dbt's manifest {manifest} is missing: run `make run` or `make shell`, which make it."
        )
    group: TaskGroup = DbtTaskGroup(
        group_id=GROUP,
        project_config=ProjectConfig(DBT_PROJECT, manifest_path=manifest, install_dbt_deps=False),
        profile_config=ProfileConfig(
            profile_name="glucose",
            target_name=settings.lakehouse_profile,
            profiles_yml_filepath=DBT_PROJECT / "profiles.yml",
        ),
        execution_config=ExecutionConfig(ExecutionMode.LOCAL, InvocationMode.DBT_RUNNER),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.BUILD,
            node_converters={DbtResourceType.MODEL: _Layers()},
        ),
    )
    with group:
        build = DbtBuild(
            task_id=BUILD,
            branch_task=branch_task,
            pool=WAREHOUSE_POOL,
            retries=0,
            doc_md=DbtBuild.__doc__,
        )
    _run_after_build(group, build)
    return group


class _Layers:
    """Draws one model: its layer's group, in it the model's task."""

    __name__ = "layers"  # Cosmos logs it

    def __init__(self) -> None:
        self._groups: dict[str, TaskGroup] = {}

    def __call__(self, *, dag: Any, task_group: TaskGroup, node: Any, **_cosmos: Any) -> Any:
        layer = PurePath(node.original_file_path).parts[-2]
        if layer not in self._groups:
            self._groups[layer] = TaskGroup(layer, dag=dag, parent_group=task_group)
        place = {"task_id": node.name, "dag": dag, "task_group": self._groups[layer]}
        if node.config.get("materialized") == "ephemeral":
            return EmptyOperator(**place)  # a part of the models that use it: nothing is built
        return DbtOutcome(
            **place,
            model=node.unique_id,
            build_task=f"{GROUP}.{BUILD}",
            retries=0,
            doc_md=f"`{node.unique_id}`. {DbtOutcome.__doc__}",
        )


def _run_after_build(group: TaskGroup, build: DbtBuild) -> None:
    tasks = [task for task in group.iter_tasks() if task is not build]
    inside = {task.task_id for task in tasks}
    for task in tasks:
        if not task.upstream_task_ids & inside:
            build >> task
            task.trigger_rule = TriggerRule.ONE_DONE  # succeeded or failed; skipped with it when it never ran
