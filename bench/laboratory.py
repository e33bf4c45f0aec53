"""A lakehouse to measure: a home of its own, the demo person as a site, commands timed as whole processes."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from include.cli.run import prepare
from include.orchestration.environment import airflow_environment
from include.serving.postgres import stop
from include.settings import PROJECT, Settings
from tests.free_ports import free_port

MEGABYTE = 1024  # getrusage counts kilobytes on Linux


@dataclass(frozen=True)
class Cost:
    """Of one whole process with its children: wall and CPU seconds, peak memory of the largest."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float


@dataclass(frozen=True)
class Laboratory:
    """Where measurements take place."""

    settings: Settings
    environment: dict[str, str]

    def airflow(self, *arguments: str, dags: Path = PROJECT / "dags") -> Cost:
        """The cost of one `airflow` command. Raises CalledProcessError when it fails."""
        program = str(Path(sys.executable).with_name("airflow"))
        return self._cost([program, *arguments], {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)})

    def python(self, *arguments: str) -> Cost:
        """The cost of a Python program."""
        return self._cost([sys.executable, *arguments], {})

    def _cost(self, command: list[str], extra: dict[str, str]) -> Cost:
        started = time.monotonic()
        with subprocess.Popen(
            command,
            env=self.environment | extra,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            output = process.stdout.read() if process.stdout else b""
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.stderr.buffer.write(output[-3000:])
            raise subprocess.CalledProcessError(process.returncode, command)
        return _cost_of(usage, time.monotonic() - started)


def _cost_of(usage: resource.struct_rusage, wall_seconds: float) -> Cost:
    return Cost(wall_seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MEGABYTE)


@contextmanager
def laboratory(site: Mapping[str, str] | None = None) -> Iterator[Laboratory]:
    """A new home with Airflow's database and dbt's manifest, removed at the end.

    `site` holds the NIGHTSCOUT_ variables of the site to read; without it the demo site is read.
    """
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as home:
        settings = Settings(lakehouse_home=Path(home, "home"), lakehouse_postgres_port=free_port())
        prepare(settings)
        environment = os.environ | airflow_environment(settings, "test") | dict(site or {})
        environment["LAKEHOUSE_POSTGRES_PORT"] = str(settings.lakehouse_postgres_port)
        try:
            yield Laboratory(settings, environment)
        finally:
            stop(settings)


def middle(costs: list[Cost], name: str) -> float:
    """The median of one figure."""
    return median(getattr(cost, name) for cost in costs)
