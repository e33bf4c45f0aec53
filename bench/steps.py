"""The steps of a run, in one process and without Airflow: a day, on a year of history."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.server import serve
from include.run.pipeline import Pipeline
from include.run.transform import ensure_manifest
from include.serving.postgres import stop
from include.settings import Settings
from tests.free_ports import free_port
from tests.run.steps import days, run

NOW = datetime(2026, 1, 3, 12, tzinfo=UTC)
LAST_DAY = date(2026, 1, 1)


class Timed:
    """A pipeline that adds up wall and CPU seconds by step."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}
        self._pipeline = pipeline

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._pipeline, name)
        return partial(self._time, name, found) if callable(found) else found

    def _time(self, name: str, step: Callable[..., Any], *arguments: Any) -> Any:
        wall, cpu = time.monotonic(), time.process_time()
        result = step(*arguments)
        before = self.seconds.get(name, (0.0, 0.0))
        self.seconds[name] = before[0] + time.monotonic() - wall, before[1] + time.process_time() - cpu
        return result


@contextmanager
def year_of_history() -> Iterator[Pipeline]:
    """The embedded lake of the simulated person, with a year before LAST_DAY in it."""
    with TemporaryDirectory(prefix="lakehouse-bench-") as folder, serve(lambda: NOW) as url:
        settings = Settings(
            _env_file=None,
            lakehouse_home=Path(folder, "home"),
            lakehouse_postgres_port=free_port(),
            nightscout_url=url,
            nightscout_time_zone=DEMO_ZONE,
        )
        try:
            ensure_manifest(settings)
            year = days(f"{LAST_DAY - timedelta(days=365)}", f"{LAST_DAY - timedelta(days=1)}")
            run(Pipeline(settings), year, "year")
            yield Pipeline(settings)
        finally:
            stop(settings)


def measure() -> None:
    """Print what each step of a day costs."""
    with year_of_history() as pipeline:
        timed = Timed(pipeline)
        run(cast(Pipeline, timed), days(f"{LAST_DAY}", f"{LAST_DAY}"), "day")
    wall, cpu = (sum(cost[kind] for cost in timed.seconds.values()) for kind in (0, 1))
    print(f"the steps of a day on a year, without Airflow: {wall:.1f} s ({cpu:.1f} CPU s in this process)")
    for name, (step_wall, step_cpu) in timed.seconds.items():
        print(f"  {name}: {step_wall:.2f} s ({step_cpu:.2f} CPU s)")
