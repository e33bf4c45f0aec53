"""Airflow's UI and scheduler on this machine, as long as a terminal is open."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from itertools import count
from pathlib import Path
from urllib.error import URLError

import psutil

from include.errors import ServiceError
from include.orchestration.environment import airflow_environment, airflow_home, prepare_airflow
from include.orchestration.lease_owner import SERVICE_PROCESS
from include.settings import Settings

# No triggerer: no task of ours defers. No log servers: they would listen on every interface, and the UI
# reads the logs of its own machine from disk.
COMPONENTS = {
    "api-server": ["airflow", "api-server", "--workers", "1"],
    "scheduler": ["include.orchestration.scheduler", "--skip-serve-logs"],
    "dag-processor": ["airflow", "dag-processor"],
}
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: the terminal was closed
READY_SECONDS = 180.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.5


def serve(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Run the UI on 127.0.0.1 and the scheduler until Ctrl-C, then end all their processes.

    It is a program's last call: afterwards signals are ignored. The password of `admin` is generated at the
    first start, said once, and kept in a file that only this user can read. Raises ServiceError: port in
    use, a component that ended (with the place of its log).
    """
    _demand_free_port(settings.lakehouse_airflow_port)
    prepare_airflow(settings, "service")
    password = _first_password(airflow_home(settings, "service") / "passwords.json")
    if password:
        say(f"password: {password}  (shown this once)")
    say("Starting Airflow.")
    interrupt = _interrupt_once()
    for number in ENDS:
        signal.signal(number, interrupt)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in COMPONENTS.items():
            processes[name] = _start(settings, name, arguments)
        _wait_until_ready(settings, processes)
        say(f"Airflow is ready: http://127.0.0.1:{settings.lakehouse_airflow_port}  user: admin")
        say("Ctrl-C stops it.")
        while True:
            _demand_alive(settings, processes)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        say("Stopping Airflow.")
    finally:
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN)
        _stop(list(processes.values()))


def _interrupt_once() -> Callable[[int, object], None]:
    """A handler that interrupts at the first signal: a second Ctrl-C would leave processes behind."""
    signals = count()

    def interrupt(_signal: int, _frame: object) -> None:
        if next(signals) == 0:
            raise KeyboardInterrupt

    return interrupt


def _demand_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ServiceError(
                f"Port {port} on 127.0.0.1 is in use: stop what uses it, or set LAKEHOUSE_AIRFLOW_PORT."
            ) from None


def _first_password(path: Path) -> str | None:
    """A new password for `admin`, written down; None when there is one already."""
    if path.exists():
        return None
    password = secrets.token_urlsafe(16)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps({"admin": password}) + "\n")
    return password


def _start(settings: Settings, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    """A component in a process group of its own: a terminal's Ctrl-C then reaches us alone, who stop it."""
    with _log(settings, name).open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**os.environ, **airflow_environment(settings, "service"), SERVICE_PROCESS: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )


def _wait_until_ready(settings: Settings, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready(settings.lakehouse_airflow_port):
        _demand_alive(settings, processes)
        if time.monotonic() > deadline:
            raise ServiceError(
                f"Airflow did not start; its logs are in {_log(settings, 'scheduler').parent}."
            )
        time.sleep(POLL_SECONDS)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=5) as answer:
            health = json.load(answer)
    except (URLError, OSError, ValueError):
        return False
    return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))


def _demand_alive(settings: Settings, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            raise ServiceError(f"Airflow's {name} ended; the reason is in {_log(settings, name)}.")


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End components and all that they started: first asked, then, after a while, killed.

    Tasks run in process groups of their own, so groups alone would leave them behind.
    """
    family = [
        member
        for process in processes
        if process.poll() is None
        for member in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True))
    ]
    for process in processes:
        if process.poll() is None:
            process.terminate()
    _gone, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for member in alive:
        member.kill()
    psutil.wait_procs(alive, timeout=STOP_SECONDS)


def _log(settings: Settings, name: str) -> Path:
    return airflow_home(settings, "service") / f"{name}.log"
