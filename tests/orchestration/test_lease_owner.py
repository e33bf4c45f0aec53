"""Who holds the lease, and when that run has ended."""

import os
import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from include.orchestration.lease_owner import SERVICE_PROCESS, has_ended, metadata_database, owner_of
from include.serving.lease import Owner

HERE = metadata_database()
HOST = socket.gethostname()


def context(started_by: str | None) -> dict[str, Any]:
    run = SimpleNamespace(dag_id="nightscout_glucose", run_id="run-1", triggering_user_name=started_by)
    return {"dag_run": run}


class Database:
    """A metadata database in which these runs are unfinished."""

    def __init__(self, *unfinished: str, take_lease: str | None = "success") -> None:
        self.unfinished = unfinished
        self.take_lease = take_lease

    def get_dr_count(self, *, dag_id: str, run_ids: list[str], states: list[str]) -> int:
        assert dag_id == "nightscout_glucose"
        assert states == ["queued", "running"]
        return sum(run_id in self.unfinished for run_id in run_ids)

    def get_task_states(
        self, *, dag_id: str, run_ids: list[str], task_ids: list[str]
    ) -> dict[str, dict[str, str | None]]:
        assert (dag_id, task_ids) == ("nightscout_glucose", ["take_lease"])
        return {run_id: {"take_lease": self.take_lease} for run_id in run_ids}


def owner(*, home: str = HERE, pid: int = 0, host: str = HOST) -> Owner:
    return Owner("nightscout_glucose", "run-1", home, pid, host)


def test_dags_test_ends_with_its_own_process() -> None:
    found = owner_of(context("dag_test"))
    assert found.pid == os.getpid()
    assert found.home == f"{HERE}#{psutil.Process().create_time()}"
    assert (found.dag_id, found.run_id, found.host) == ("nightscout_glucose", "run-1", HOST)


def test_a_run_of_the_service_ends_with_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVICE_PROCESS, str(os.getppid()))
    found = owner_of(context(None))
    assert found.pid == os.getppid()
    assert found.home == f"{HERE}#{psutil.Process(os.getppid()).create_time()}"


def test_a_run_of_a_cluster_has_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SERVICE_PROCESS, raising=False)
    assert owner_of(context("admin")) == owner()


def test_a_run_of_this_database_ends_when_it_is_finished_or_unknown() -> None:
    assert has_ended(owner(), Database("run-1")) is False
    assert has_ended(owner(), Database()) is True


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        ("running", False),
        ("success", False),
        (None, True),
        ("scheduled", True),
        ("queued", True),
        ("up_for_retry", True),
        ("restarting", True),
    ],
)
def test_a_run_that_was_cleared_has_to_ask_again(state: str | None, ended: bool) -> None:
    """Else it would wait behind those that wait for it."""
    assert has_ended(owner(), Database("run-1", take_lease=state)) is ended


def test_a_killed_process_ends_its_run_though_the_database_says_running() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        home = f"{HERE}#{psutil.Process(process.pid).create_time()}"
        assert has_ended(owner(home=home, pid=process.pid), Database("run-1")) is False
        assert has_ended(owner(home=home, pid=process.pid), Database()) is True
        process.kill()
        process.wait()
        assert has_ended(owner(home=home, pid=process.pid), Database("run-1")) is True


def test_a_process_that_got_the_number_of_another_is_not_taken_for_it() -> None:
    home = f"{HERE}#{psutil.Process().create_time() - 100}"
    assert has_ended(owner(home=home, pid=os.getpid()), Database("run-1")) is True


@pytest.mark.parametrize(
    "elsewhere",
    [
        owner(home="/another/airflow"),
        owner(home=os.environ["AIRFLOW_HOME"]),  # a folder of the same name, on another machine
        owner(home=f"/another/airflow#{psutil.Process().create_time()}", pid=os.getpid()),
        owner(home="/another/airflow#1.0", pid=1, host="another-host"),
    ],
)
def test_of_a_run_elsewhere_nothing_is_known(elsewhere: Owner) -> None:
    assert has_ended(elsewhere, Database()) is False


def test_a_dags_test_in_another_home_on_this_host_ends_with_its_process() -> None:
    assert has_ended(owner(home="/another/airflow#1.0", pid=2**22 - 1), Database()) is True
