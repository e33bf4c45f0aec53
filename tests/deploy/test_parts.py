"""The commands and health checks of Airflow's services, run side by side on what the Dockerfile makes."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

import psutil
import pytest
import requests

from tests.deploy.compose_file import ONE_SHOT, SERVICES
from tests.deploy.dockerfile import HOME, Image
from tests.free_ports import free_port

pytestmark = pytest.mark.stack

PARTS = [name for name in SERVICES if name.startswith("airflow-") and name != ONE_SHOT]
SECONDS = 180.0


@contextmanager
def running(image: Image, part: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A part of Airflow; at the end it is asked to stop, and what is left of it is killed."""
    command = SERVICES[part]["command"]
    if command[0] != "python":  # the image's entrypoint passes that on, and takes all else for Airflow's
        command = ["airflow", *command]
    with (image.root / f"{part}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=image.root / HOME[1:],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
            os.killpg(process.pid, signal.SIGTERM)
            _, alive = psutil.wait_procs([psutil.Process(process.pid), *family], timeout=30)
            for member in alive:
                member.kill()
        process.wait()


def until_healthy(
    image: Image, part: str, process: subprocess.Popen[bytes], ports: Mapping[str, str]
) -> None:
    """Run the part's own health check until it passes."""
    kind, *command = SERVICES[part]["healthcheck"]["test"]
    assert kind == "CMD"
    for inside, here in ports.items():
        command = [word.replace(f":{inside}/", f":{here}/") for word in command]
    give_up = time.monotonic() + SECONDS
    while True:
        try:
            image.run(command)
        except AssertionError:
            assert process.poll() is None, (image.root / f"{part}.log").read_text()
            assert time.monotonic() < give_up, (image.root / f"{part}.log").read_text()
            time.sleep(1)
        else:
            return


def until_listed(api: str, token: str) -> None:
    """Ask for the Dags until ours are there: the processor is healthy before it has read the files."""
    give_up = time.monotonic() + SECONDS
    listed: set[str] = set()
    while listed != {"nightscout_glucose", "lakehouse_maintenance"}:
        assert time.monotonic() < give_up, listed
        time.sleep(1)
        answer = requests.get(f"{api}/api/v2/dags", headers={"Authorization": f"Bearer {token}"}, timeout=60)
        listed = {dag["dag_id"] for dag in answer.json()["dags"]}


def test_every_part_becomes_healthy_and_admin_can_log_in(started: Image, given: Mapping[str, str]) -> None:
    ports = {"8080": str(free_port()), "8974": str(free_port())}
    api = f"http://127.0.0.1:{ports['8080']}"
    environment = started.environment | {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": ports["8080"],
        "AIRFLOW__API__BASE_URL": api,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{api}/execution/",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": ports["8974"],
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",  # nothing is to be loaded
    }
    with ExitStack() as stack:
        processes = {part: stack.enter_context(running(started, part, environment)) for part in PARTS}
        for part, process in processes.items():
            until_healthy(started, part, process, ports)
        login = {"username": "admin", "password": given["STACK_ADMIN_PASSWORD"]}
        token = requests.post(f"{api}/auth/token", json=login, timeout=60).json()["access_token"]
        wrong = requests.post(f"{api}/auth/token", json=login | {"password": "wrong"}, timeout=60)
        assert wrong.status_code == requests.codes.unauthorized
        until_listed(api, token)
