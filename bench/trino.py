"""The profile trino on this machine: its stack, the steps of a day, `airflow dags test`, a hundred hours."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Self, cast

import psutil

from bench.laboratory import Laboratory
from bench.steps import Timed
from include.cli.run import prepare
from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.server import serve
from include.orchestration.environment import airflow_environment, airflow_home
from include.run.home import remove_home
from include.run.pipeline import Pipeline
from include.settings import Settings
from include.stack.stack import MEGABYTE, Stack
from tests.run.steps import day, days, run
from tests.stack_fixture import environment_of, stack_settings

DAYS = 3
LOOKBACK_DAYS = 3  # what the hourly runs read besides today
HOURS = 100
STEPS_LIMIT, STEPS_AIM, DAGS_TEST_LIMIT = 12, 8.9, 30
STACK_LIMIT, MEGABYTES_LIMIT, GROWTH_LIMIT = 60, 4096, 1.2
TIMES = """
select task_id, (julianday(end_date) - julianday(start_date)) * 86400,
    (julianday(end_date) - min(julianday(start_date)) over ()) * 86400
from task_instance
where run_id = (select run_id from dag_run order by id desc limit 1) and start_date is not null
order by start_date
"""


def measure() -> None:
    """Print all of it."""
    today = datetime.now(UTC).date()
    with lake() as settings:
        pipeline = Pipeline(settings)
        with Peak(settings) as peak:
            left_out = LOOKBACK_DAYS + DAYS  # of the year, to be read as new days afterwards
            year = days(f"{today - timedelta(days=365)}", f"{today - timedelta(days=left_out + 1)}")
            run(pipeline, year, "year")
            measure_hours(pipeline, today)  # it warms the stack, too: Trino compiles as it goes
            measure_steps(pipeline, today)
            measure_dags_test(settings, today)
        print(f"trino, most memory of all services: {peak.megabytes} MB (at most {MEGABYTES_LIMIT})")


@contextmanager
def lake() -> Iterator[Settings]:
    """A stack of its own, ready, whose site is the simulated person; removed at the end."""
    with TemporaryDirectory(prefix="lakehouse-bench-") as folder, serve() as url:
        site = {
            "nightscout_url": url,
            "nightscout_time_zone": DEMO_ZONE,
            "lookback_days": LOOKBACK_DAYS,
            "heal_days": 0,
        }
        settings = stack_settings(Path(folder, "home")).model_copy(update=site)
        try:
            started = time.monotonic()
            Stack(settings).up()
            seconds = time.monotonic() - started
            print(f"the stack is ready after {seconds:.0f} s (at most {STACK_LIMIT}; without downloads)")
            prepare(settings)
            yield settings
        finally:
            remove_home(settings)


class Peak:
    """The most memory that the services, Postgres among them, take together while the block lasts."""

    def __init__(self, settings: Settings) -> None:
        self.megabytes = 0
        self._services = [process for program in Stack(settings).programs for process in program.processes()]
        first = (settings.postgres_path / "server/data/postmaster.pid").read_text().split()[0]
        self._postgres = psutil.Process(int(first))
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(1):
            sizes = [_size(process) for process in (*self._services, *self._of_postgres())]
            self.megabytes = max(self.megabytes, sum(sizes) // MEGABYTE)

    def _of_postgres(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return [self._postgres, *self._postgres.children(recursive=True)]
        return []


def _size(process: psutil.Process) -> int:
    with suppress(psutil.Error):  # a connection of Postgres that ended
        return int(process.memory_info().rss)
    return 0


def measure_hours(pipeline: Pipeline, today: date) -> None:
    """Runs of one day again and again, as the scheduler makes them."""
    seconds = []
    for number in range(HOURS):
        started = time.monotonic()
        run(pipeline, {"key": f"{today}", "is_scheduled": True}, f"hour-{number}")
        seconds.append(time.monotonic() - started)
    early, middle, late = (median(seconds[first : first + 3]) for first in (1, HOURS // 2, HOURS - 3))
    print(
        f"trino, the {HOURS}th hourly run: {late / early:.2f} times the 2nd (at most {GROWTH_LIMIT}), "
        f"{late / middle:.2f} times the {HOURS // 2}th; {early:.1f} s, {middle:.1f} s and {late:.1f} s, "
        "medians of three",
        flush=True,
    )


def measure_steps(pipeline: Pipeline, today: date) -> None:
    """Days on a year of history, each in this process, from plan to publish."""
    costs = []
    for number in range(LOOKBACK_DAYS + DAYS, LOOKBACK_DAYS, -1):
        timed = Timed(pipeline)
        run(cast(Pipeline, timed), day(f"{today - timedelta(days=number)}"), f"day-{number}")
        costs.append({name: wall for name, (wall, _) in timed.seconds.items()})
    total = median(sum(cost.values()) for cost in costs)
    print(
        f"trino, the steps of a day on a year, without Airflow: {total:.1f} s, median of {DAYS} "
        f"(at most {STEPS_LIMIT}, aim {STEPS_AIM})"
    )
    for name in costs[0]:
        print(f"  {name}: {median(cost[name] for cost in costs):.2f} s")


def measure_dags_test(settings: Settings, today: date) -> None:
    """`airflow dags test` of a day, from its first task to its last."""
    environment = os.environ | airflow_environment(settings, "test") | environment_of(settings)
    Laboratory(settings, environment).airflow("dags", "test", "nightscout_glucose", f"{today}")
    with sqlite3.connect(airflow_home(settings, "test") / "airflow.db") as database:
        rows = database.execute(TIMES).fetchall()
    print(
        f"trino, dags test of a day: {max(row[2] for row in rows):.1f} s from first task to last "
        f"(at most {DAGS_TEST_LIMIT})"
    )
    for task, seconds, _ in rows:
        if seconds >= 0.5:
            print(f"  {task}: {seconds:.1f} s")
