"""`make up`: the UI and the scheduler start, a person logs in and triggers a run, Ctrl-C leaves nothing."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import psutil
import pytest
import requests

from include.errors import ServiceError
from include.orchestration import service
from include.settings import Settings

ONE_TASK = """
from datetime import UTC, datetime
from airflow.sdk import dag, task

@dag(schedule=None, start_date=datetime(2020, 1, 1, tzinfo=UTC))
def one():
    @task
    def say():
        pass
    say()

one()
"""
PROGRAM = """
import sys
from include.orchestration import environment, service
from include.settings import load_settings
environment.AIRFLOW["AIRFLOW__CORE__DAGS_FOLDER"] = sys.argv[1]
service.serve(load_settings(), lambda line: print(line, flush=True))
"""


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def started(tmp_path: Path, free_port: int) -> Iterator[subprocess.Popen[str]]:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "one.py").write_text(ONE_TASK)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(dags)],
        env={
            **os.environ,
            "LAKEHOUSE_HOME": str(tmp_path / "home"),
            "LAKEHOUSE_AIRFLOW_PORT": str(free_port),
        },
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_a_person_logs_in_triggers_a_run_and_stops_it(
    started: subprocess.Popen[str], free_port: int, tmp_path: Path
) -> None:
    password = _password(started.stdout)
    address = f"http://127.0.0.1:{free_port}"
    token = _post(f"{address}/auth/token", {"username": "admin", "password": password})["access_token"]
    run = _post(f"{address}/api/v2/dags/one/dagRuns", {"logical_date": None}, token)
    finished = _wait_for_end(f"{address}/api/v2/dags/one/dagRuns/{run['dag_run_id']}", token)
    family = psutil.Process(started.pid).children(recursive=True)
    listening = {listener.laddr.ip for member in family for listener in _listeners(member)}
    started.send_signal(signal.SIGINT)
    started.send_signal(signal.SIGHUP)  # and the terminal is closed while it stops
    started.communicate(timeout=60)

    assert finished == "success"
    assert listening == {"127.0.0.1"}
    assert started.returncode == 0
    assert [member for member in family if member.is_running()] == []
    secret_file = tmp_path / "home" / "airflow" / "passwords.json"
    assert stat.S_IMODE(secret_file.stat().st_mode) == 0o600
    assert all(password not in log.read_text() for log in secret_file.parent.glob("*.log"))


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(lakehouse_home=tmp_path, lakehouse_airflow_port=port)
        with pytest.raises(ServiceError, match=f"Port {port} .* LAKEHOUSE_AIRFLOW_PORT"):
            service.serve(settings)
    assert list(tmp_path.iterdir()) == []  # not even Airflow's database was made


def _password(output: TextIO | None) -> str:
    """The password that is said; returns when Airflow is ready."""
    assert output is not None
    password = None
    for line in output:
        found = re.match(r"password: (\S+)", line)
        password = found.group(1) if found else password
        if line.startswith("Airflow is ready: http://127.0.0.1:") and password:
            return password
    raise AssertionError("it did not get ready, or said no password")


def _post(url: str, body: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    answer = requests.post(url, json=body, headers=_bearer(token), timeout=30)
    answer.raise_for_status()
    return dict(answer.json())


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _wait_for_end(url: str, token: str) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        state = str(requests.get(url, headers=_bearer(token), timeout=30).json()["state"])
        if state in ("success", "failed"):
            return state
        time.sleep(0.5)
    raise AssertionError("the run did not end")


def _listeners(process: psutil.Process) -> list[Any]:
    try:
        return [one for one in process.net_connections(kind="inet") if one.status == psutil.CONN_LISTEN]
    except psutil.NoSuchProcess:
        return []
