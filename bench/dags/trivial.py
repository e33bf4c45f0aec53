"""One task that does nothing: what Airflow's own start costs."""

from datetime import UTC, datetime

from airflow.sdk import dag, task


@dag(schedule=None, start_date=datetime(2020, 1, 1, tzinfo=UTC))
def trivial() -> None:
    """The peer that `nightscout_glucose` is measured beside."""

    @task
    def nothing() -> None:
        """Do nothing."""

    nothing()


trivial()
