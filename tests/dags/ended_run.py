"""A Dag's run in this process, and what it left when it ended."""

from typing import Any

import pendulum

DAY = pendulum.datetime(2024, 10, 15, tz="UTC")


class Run:
    """One run that has ended: its state, those of its tasks, what it told."""

    def __init__(self, dag: Any, **form: Any) -> None:
        self._run = dag.test(logical_date=DAY, run_conf=form or None)
        self.state = str(self._run.state)
        instances = self._run.get_task_instances()
        self.states = {instance.task_id: str(instance.state) for instance in instances}
        self.map_names = {
            instance.rendered_map_index for instance in instances if instance.task_id == "stage"
        }

    def events(self) -> dict[str, list[Any]]:
        from airflow.models.asset import AssetEvent
        from airflow.utils.session import create_session
        from sqlalchemy import select

        told: dict[str, list[Any]] = {}
        with create_session() as session:
            for event in session.scalars(select(AssetEvent).filter_by(source_run_id=self._run.run_id)):
                told.setdefault(event.name, []).append((event.partition_key, dict(event.extra)))
        return told

    def reason(self, task_id: str = "verdict") -> str:
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            found = session.scalars(
                select(XComModel).filter_by(run_id=self._run.run_id, task_id=task_id, key="failure")
            ).one()
            return str(found.value)
