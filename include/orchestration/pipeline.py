"""The steps of a run, as tasks call them."""

from include.orchestration.sites import airflow_connection
from include.run.pipeline import Pipeline


def pipeline() -> Pipeline:
    """The steps, with sites' credentials taken from Airflow's connections. For use inside a task only."""
    return Pipeline(connection=airflow_connection)
