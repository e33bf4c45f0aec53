"""On the profile trino, with Airflow's scheduler, `airflow backfill create`, the API and `airflow dags test`:
what is started together is written one after another, a killed run is taken over, maintenance has a turn."""

from collections.abc import Iterator

import pytest

from include.settings import Settings
from tests.lakehouse.both import empty
from tests.orchestration.live_airflow import LiveAirflow, live_on
from tests.orchestration.test_overlap import (
    served,
    test_a_killed_run_is_taken_over_and_what_it_had_read_is_merged,
    test_runs_started_together_write_one_after_another,
    test_the_maintenance_dag_has_its_turn,
)

pytestmark = pytest.mark.stack

__all__ = [
    "served",
    "test_a_killed_run_is_taken_over_and_what_it_had_read_is_merged",
    "test_runs_started_together_write_one_after_another",
    "test_the_maintenance_dag_has_its_turn",
]


@pytest.fixture(scope="module")
def live(stack: Settings) -> Iterator[LiveAirflow]:
    empty(stack)
    with live_on(stack) as live:
        yield live
