"""The dbt project as a task group: drawn by Cosmos from dbt's manifest, built by one `dbt build`."""

import json
from pathlib import Path, PurePath
from typing import Any

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
    """`dbt.build`, then `dbt.<layer>.<model>` for every model that people read, in dbt's own order.

    Cosmos draws models and edges; how a model runs is ours (`DbtOutcome`), because Cosmos has no mode with
    one build that can be tried again: when a run is cleared its producer only skips, and its watchers then
    build their own models, several at once, while DuckDB's file has one writer. Tasks of models start when
    the build is over, also when it failed, so that each says what became of it. Intermediate models have no
    task, which would cost a process each: when one fails, dbt skips the models that read it. Raises
    SettingsError when dbt's manifest is missing.
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
            doc_md=DbtBuild.__doc__,
        )
    _wait_through_intermediates(group, manifest)
    _run_after_build(group, build)
    return group


class _Layers:
    """Draws one model: its layer's group, in it the model's task."""

    __name__ = "layers"  # Cosmos logs it

    def __init__(self) -> None:
        self._groups: dict[str, TaskGroup] = {}

    def __call__(self, *, dag: Any, task_group: TaskGroup, node: Any, **_cosmos: Any) -> Any:
        if _is_intermediate(node.unique_id):
            return None
        layer = PurePath(node.original_file_path).parts[-2]
        if layer not in self._groups:
            self._groups[layer] = TaskGroup(layer, dag=dag, parent_group=task_group)
        return DbtOutcome(
            task_id=node.name,
            dag=dag,
            task_group=self._groups[layer],
            model=node.unique_id,
            build_task=f"{GROUP}.{BUILD}",
            retries=0,
            doc_md=f"`{node.unique_id}`. {DbtOutcome.__doc__}",
        )


def _is_intermediate(model: str) -> bool:
    return model.rpartition(".")[2].startswith("int_")


def _wait_through_intermediates(group: TaskGroup, manifest: Path) -> None:
    """Let each model's task wait for the models that it reads by way of intermediate ones."""
    nodes = json.loads(manifest.read_bytes())["nodes"]
    tasks = {task.model: task for task in group.iter_tasks() if isinstance(task, DbtOutcome)}

    def read_by(model: str) -> set[str]:
        found: set[str] = set()
        for parent in nodes[model]["depends_on"]["nodes"]:
            if parent in nodes:
                found |= read_by(parent) if _is_intermediate(parent) else {parent}
        return found

    for model, task in tasks.items():
        above = {tasks[parent].task_id for parent in read_by(model)} - task.upstream_task_ids
        task.set_upstream([one for one in tasks.values() if one.task_id in above])


def _run_after_build(group: TaskGroup, build: DbtBuild) -> None:
    tasks = [task for task in group.iter_tasks() if task is not build]
    inside = {task.task_id for task in tasks}
    for task in tasks:
        if not task.upstream_task_ids & inside:
            build >> task
            task.trigger_rule = TriggerRule.ONE_DONE  # succeeded or failed; skipped with it when it never ran
