"""The steps of a run, in one process and without Airflow: a day, on a year of history."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.server import serve
from include.run.pipeline import Pipeline
from include.run.transform import ensure_manifest
from include.run.turn import owner_of_this_process, process_has_ended
from include.serving.postgres import stop
from include.settings import Settings
from tests.free_ports import free_port

NOW = datetime(2026, 1, 3, 12, tzinfo=UTC)
LAST_DAY = date(2026, 1, 1)

Facts = dict[str, Any]


class Clock:
    """Wall and CPU seconds of each step of one run."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}

    def time(self, name: str, step: Callable[..., Any], *arguments: Any) -> Any:
        """The result of the step; what it cost is added under its name."""
        wall, cpu = time.monotonic(), time.process_time()
        result = step(*arguments)
        before = self.seconds.get(name, (0.0, 0.0))
        self.seconds[name] = before[0] + time.monotonic() - wall, before[1] + time.process_time() - cpu
        return result


def run(pipeline: Pipeline, first: date, last: date) -> Clock:
    """One run over these days."""
    clock, run_id = Clock(), f"bench-{last}"
    lease = clock.time(
        "take_lease", pipeline.take_lease, owner_of_this_process("b", run_id), process_has_ended
    )
    request = {"first_day": first.isoformat(), "last_day": last.isoformat(), "is_scheduled": False}
    plan: Facts = clock.time("plan", pipeline.plan, request, lease)
    branch: Facts = clock.time("open_branch", pipeline.open_branch, lease, plan)
    staged = [clock.time("stage", pipeline.stage, window, branch) for window in plan["windows"]]
    results: Facts = {"staged": staged, "failures": {}}
    results["validated"] = clock.time("validate", pipeline.validate, branch, staged)
    results["merged"] = clock.time("merge", pipeline.merge, branch, staged)
    clock.time("build", pipeline.build, branch)
    results["audited"] = clock.time("audit", pipeline.audit, branch)
    results["promoted"] = clock.time("promote", pipeline.promote, branch, results["audited"])
    results["published"] = clock.time("publish", pipeline.publish, lease)
    clock.time("close_run", pipeline.close_run, lease, results)
    return clock


def measure() -> None:
    """Print what each step of a day costs."""
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
            run(Pipeline(settings), LAST_DAY - timedelta(days=365), LAST_DAY - timedelta(days=1))
            clock = run(Pipeline(settings), LAST_DAY, LAST_DAY)
        finally:
            stop(settings)
    wall, cpu = (sum(cost[kind] for cost in clock.seconds.values()) for kind in (0, 1))
    print(f"the steps of a day on a year, without Airflow: {wall:.1f} s ({cpu:.1f} CPU s in this process)")
    for name, (step_wall, step_cpu) in clock.seconds.items():
        print(f"  {name}: {step_wall:.2f} s ({step_cpu:.2f} CPU s)")
