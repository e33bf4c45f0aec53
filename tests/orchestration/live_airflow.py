"""A live Airflow (`lakehouse up`) on a lakehouse of its own, and what tests ask of it.

The site is the demo server over HTTP, its clock stopped when the tests were collected: a scheduled run then
reads the same documents as any other.
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import psutil
import requests

from include.lakehouse import Lakehouse, open_lakehouse
from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.server import serve
from include.orchestration.environment import airflow_environment, airflow_home, prepare_airflow
from include.run.pipeline import Pipeline
from include.run.transform import ensure_manifest
from include.serving.postgres import stop
from include.settings import Settings
from tests.free_ports import free_port
from tests.postgres_fixture import embedded_settings
from tests.stack_fixture import environment_of

NOW = datetime.now(UTC)
DAY: date = NOW.date() - timedelta(days=4)  # settled: it ended more than 48 hours ago, wherever it was
DAG = "nightscout_glucose"
LOOKBACK_DAYS = 5  # so that a scheduled run of today reads DAY and the day before
PROGRAMS = Path(sys.executable).parent
SECONDS = 1200.0  # longer than any run takes; whoever waits polls
FINISHED = ("success", "failed")

Found = TypeVar("Found")


class LiveAirflow:
    """A lakehouse, the site it reads, and, within `service`, Airflow's UI and scheduler."""

    def __init__(self, url: str, lake: Settings) -> None:
        self.url = url
        own = {
            "lakehouse_airflow_port": free_port(),
            "nightscout_url": url,
            "nightscout_time_zone": DEMO_ZONE,
            "lookback_days": LOOKBACK_DAYS,
            "heal_days": 0,
            "catchup_days": 0,
        }
        self.settings = lake.model_copy(update=own)
        self._set = environment_of(self.settings)
        self.token = ""

    @cached_property
    def pipeline(self) -> Pipeline:
        """The steps, in this process."""
        return Pipeline(self.settings)

    @property
    def lakehouse(self) -> Lakehouse:
        """The lake as it is now."""
        return open_lakehouse(self.settings)

    def environment(self, of: str | None = None) -> dict[str, str]:
        """Of `lakehouse` commands; or of `airflow` ones, in AIRFLOW_HOME `test` or `service`."""
        airflow = airflow_environment(self.settings, of) if of else {}  # type: ignore[arg-type]
        return {**os.environ, **airflow, **self._set, "PYTHONUNBUFFERED": "1"}

    def prepare(self) -> None:
        """What `lakehouse shell` makes before `airflow dags test` works."""
        ensure_manifest(self.settings)
        prepare_airflow(self.settings, "test")

    def start_dags_test(self, day: date) -> subprocess.Popen[bytes]:
        """`airflow dags test DAG DAY`, in an AIRFLOW_HOME and a process group of its own."""
        with self.log(f"dags-test-{day}").open("wb") as output:
            return subprocess.Popen(
                [PROGRAMS / "airflow", "dags", "test", DAG, day.isoformat()],
                env=self.environment("test"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """Where the output of a command of ours goes."""
        return self.settings.lakehouse_home / "logs" / f"{name}.log"

    def airflow(self, *arguments: str) -> str:
        """An `airflow` command beside the live service; its output."""
        done = subprocess.run(
            [PROGRAMS / "airflow", *arguments],
            env=self.environment("service"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def database(self, of: str, query: str) -> list[tuple[Any, ...]]:
        """Rows of Airflow's metadata database of a home."""
        path = airflow_home(self.settings, of) / "airflow.db"  # type: ignore[arg-type]
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    @contextmanager
    def service(self) -> Iterator[None]:
        """`lakehouse up` while the block lasts; it and all that it started end with the block."""
        with self.log("up").open("wb") as errors:
            process = subprocess.Popen(
                [PROGRAMS / "lakehouse", "up"],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        try:
            self._log_in(process)
            yield
        finally:
            _end(process)

    def _log_in(self, process: subprocess.Popen[str]) -> None:
        said = ""
        for line in process.stdout or ():
            said += line
            if re.search("Airflow is ready", said) and (found := re.search(r"password: (\S+)", said)):
                login = {"username": "admin", "password": found.group(1)}
                self.token = self._ask("POST", "auth/token", login)["access_token"]
                return
        raise AssertionError(f"it did not get ready; see {self.log('up')}")

    def address(self, path: str) -> str:
        """Of something that the API server serves."""
        return f"http://127.0.0.1:{self.settings.lakehouse_airflow_port}/{path}"

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the REST API, below /api/v2."""
        return self._ask(method, f"api/v2/{path}", body)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}

        def answered() -> requests.Response | None:
            """Airflow notes each call in its database before it acts, and gives up when SQLite is locked."""
            answer = requests.request(method, self.address(path), json=body, headers=headers, timeout=300)
            return None if answer.status_code == 500 and "Database error" in answer.text else answer

        answer = wait_for(answered, f"{method} {path}")
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return dict(answer.json()) if answer.text else {}

    def trigger(self, dag: str = DAG, **body: Any) -> str:
        """Trigger a run as the UI does; its run id."""
        return str(self.api("POST", f"dags/{dag}/dagRuns", {"logical_date": None, **body})["dag_run_id"])

    def backfill(self, first: date, last: date, *more: str) -> list[str]:
        """`airflow backfill create`; ids of the runs that it made, by day."""
        days = ("--from-date", first.isoformat(), "--to-date", last.isoformat())
        self.airflow("backfill", "create", "--dag-id", DAG, *days, *more)
        found = self.runs("backfill")
        return [run["dag_run_id"] for run in sorted(found, key=lambda run: str(run["partition_key"]))]

    def mark_failed(self, run_id: str) -> None:
        """As the UI does."""
        self.api("PATCH", f"dags/{DAG}/dagRuns/{run_id}", {"state": "failed"})

    def runs(self, run_type: str) -> list[dict[str, Any]]:
        """All runs of a type."""
        return list(self.api("GET", f"dags/{DAG}/dagRuns?run_type={run_type}&limit=100")["dag_runs"])

    def states(self, run_id: str) -> dict[str, str]:
        """State of every task of a run."""
        found = self.api("GET", f"dags/{DAG}/dagRuns/{run_id}/taskInstances?limit=200")["task_instances"]
        return {task["task_id"]: str(task["state"]) for task in found}

    def wait_for_end(self, run_id: str, dag: str = DAG) -> str:
        """The state in which a run ended."""

        def ended() -> str | None:
            state = str(self.api("GET", f"dags/{dag}/dagRuns/{run_id}")["state"])
            return state if state in FINISHED else None

        return wait_for(ended, f"run {run_id} to end")

    def wait_for_success(self, run_id: str) -> None:
        """Raises AssertionError with the tasks that failed, and why."""
        state = self.wait_for_end(run_id)
        bad = {task: said for task, said in self.states(run_id).items() if said not in ("success", "skipped")}
        assert state == "success", f"{run_id} is {state}: {bad} {self.reason(run_id)}"

    def xcom(self, of: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """What a task left under a key; None when it left nothing."""
        rows = self.database(
            of,
            f"select value from xcom where run_id = '{run_id}' and task_id = '{task_id}'"  # noqa: S608
            f" and key = '{key}'",
        )
        return json.loads(rows[0][0]) if rows else None

    def reason(self, run_id: str, task_id: str = "verdict") -> str:
        """What a failed task of the service left for people."""
        return str(self.xcom("service", run_id, task_id, "failure"))

    def version_of(self, run_id: str) -> str:
        """The newest version that a run promoted."""
        found = [version.name for version in self.lakehouse.history() if version.run_id == run_id]
        assert found, f"{run_id} promoted nothing"
        return found[0]


def wait_for(
    look: Callable[[], Found | None], what: str, *, every: float = 1.0, seconds: float = SECONDS
) -> Found:
    """Poll until there is something, a look `every` so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(every)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


def _end(process: subprocess.Popen[Any]) -> None:
    """Ask a program to end, then end whatever of its family is left."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=90)
    finally:
        for member in family:
            with suppress(psutil.NoSuchProcess):
                if member.is_running():
                    member.kill()
        if process.poll() is None:
            process.kill()


@contextmanager
def live_airflow(folder: Path) -> Iterator[LiveAirflow]:
    """A new embedded lakehouse that reads the demo site; its Postgres ends with the block."""
    settings = embedded_settings(folder / "home")
    try:
        with live_on(settings) as live:
            yield live
    finally:
        stop(settings)


@contextmanager
def live_on(lake: Settings) -> Iterator[LiveAirflow]:
    """The lakehouse of these settings, reading the demo site."""
    with serve(lambda: NOW) as url:
        live = LiveAirflow(url, lake)
        live.log("x").parent.mkdir(parents=True, exist_ok=True)
        live.prepare()
        yield live
