"""Airflow's scheduler with everything imported that tasks import: each task is a fork of it.

Run as `python -m include.orchestration.scheduler`, with the arguments of `airflow scheduler`.
"""

import sys
from importlib import import_module

# Else each of some forty processes a run imports them anew, for two seconds of CPU.
IMPORTED_BY_TASKS = (
    "airflow.providers.standard.operators.python",
    "dbt.cli.main",
    "dlt",
    "include.orchestration.dbt_group",
    "include.orchestration.form",
    "include.orchestration.maintenance",
    "include.orchestration.notifiers",
    "include.orchestration.pipeline",
    "include.orchestration.tasks",
    "include.orchestration.timetable",
)


def main() -> None:
    """Import, then be `airflow scheduler`."""
    from airflow.__main__ import main as airflow

    for name in IMPORTED_BY_TASKS:
        import_module(name)
    sys.argv = ["airflow", "scheduler", *sys.argv[1:]]
    airflow()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
