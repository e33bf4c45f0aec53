"""The steps of a run, as tasks call them."""

import gc

from include.orchestration.connections import airflow_connection
from include.run.pipeline import Pipeline

# Modules stay until the process ends. Python would search them for garbage again and again: a quarter of the
# CPU time of a whole `airflow dags test`.
gc.freeze()


def pipeline() -> Pipeline:
    """The steps, with sites and servers taken from Airflow's connections. For use inside a task only."""
    return Pipeline(find_connection=airflow_connection)
