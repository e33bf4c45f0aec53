"""A run killed at any moment leaves whole versions only, and the next run makes up for it."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.server import serve
from include.serving.postgres import stop
from include.settings import Settings
from tests.free_ports import free_port
from tests.run.steps import day

NOW = datetime(2024, 10, 20, 12, tzinfo=UTC)
FIRST_DAY = date(2024, 9, 1)
PYTHON_ONLY_KILLS, MORE_KILLS = 10, 20  # at other moments
KILLS_A_DAY = 10
SEED = 20241020


@dataclass
class Runs:
    """Runs on one lakehouse, each in a process of its own."""

    process: subprocess.Popen[str]

    def start(self, **command: Any) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def prepare(self) -> None:
        """Make dbt's manifest."""
        self.start(prepare=True)
        ended = self.end()
        assert ended["code"] == 0, ended["said"]

    def run(self, request: dict[str, Any], run_id: str) -> dict[str, Any]:
        self.start(run=request, run_id=run_id)
        ended = self.end()
        assert ended["code"] == 0, ended["said"]
        return dict(json.loads(ended["said"]))

    def look(self) -> dict[str, Any]:
        self.start(look=True)
        ended = self.end()
        assert ended["code"] == 0, ended["said"]
        return dict(json.loads(ended["said"]))

    def kill_in(self, step: str, seconds: float, request: dict[str, Any], run_id: str) -> bool:
        """Start a run that is killed so long after a step began; whether it was still under way."""
        self.start(run=request, run_id=run_id, dies=[step, seconds])
        ended = self.end()
        assert ended["code"] in (0, -signal.SIGKILL), ended["said"]
        return bool(ended["code"])

    def kill_after(self, seconds: float, request: dict[str, Any], run_id: str) -> bool:
        """Start a run, kill its whole process group after a while; whether it was still under way."""
        pid = self.start(run=request, run_id=run_id)
        timer = threading.Timer(seconds, _kill_group, [pid])
        timer.start()
        ended = self.end()
        timer.cancel()
        timer.join()
        assert ended["code"] in (0, -signal.SIGKILL), ended["said"]
        return bool(ended["code"])


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):  # it had just ended
        os.killpg(pid, signal.SIGKILL)


@contextmanager
def runs_on(home: Path, url: str) -> Iterator[Runs]:
    """An embedded lakehouse of its own that reads the site at `url`."""
    lake = {"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_POSTGRES_PORT": str(free_port())}
    try:
        with runs_with(lake, url) as runs:
            yield runs
    finally:
        stop(Settings(lakehouse_home=home))


@contextmanager
def runs_with(lake: dict[str, str], url: str) -> Iterator[Runs]:
    """Runs on the lakehouse of these settings that read the site at `url`."""
    site = {"NIGHTSCOUT_URL": url, "NIGHTSCOUT_TIME_ZONE": DEMO_ZONE}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.run.forked_runs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | lake | site,
    )
    with process:
        runs = Runs(process)
        runs.prepare()
        yield runs
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize(
    "kills",
    [PYTHON_ONLY_KILLS, pytest.param(MORE_KILLS, marks=pytest.mark.stack)],
    ids=lambda kills: f"{kills}_kills",
)
def test_killed_at_random_moments(kills: int, tmp_path: Path) -> None:
    chance = random.Random(SEED + kills)
    keys = [(FIRST_DAY + timedelta(days=number)).isoformat() for number in range(kills // KILLS_A_DAY + 1)]
    with (
        serve(lambda: NOW) as url,
        runs_on(tmp_path / "calm", url) as calm,
        runs_on(tmp_path / "killed", url) as killed,
    ):
        for runs in (calm, killed):
            runs.run(day(keys[0]), "first")
        before = calm.look()
        assert killed.look() == before
        for key in keys[1:]:
            started = time.monotonic()
            calm.run(day(key), f"calm-{key}")
            seconds = time.monotonic() - started
            after = calm.look()
            assert after["lake"] != before["lake"]
            hit = 0
            for attempt in range(3 * KILLS_A_DAY):
                started = time.monotonic()
                if killed.kill_after(chance.uniform(0, seconds), day(key), f"killed-{key}-{attempt}"):
                    hit += 1
                else:  # it goes on from what killed runs have read, so it is over sooner than the calm one
                    seconds = time.monotonic() - started
                assert_whole(killed.look(), before, after)
                if hit == KILLS_A_DAY:
                    break
            assert hit == KILLS_A_DAY, f"only {hit} kills of {key} found a run under way"
            killed.run(day(key), f"healed-{key}")
            assert killed.look() == after
            before = after


def assert_whole(seen: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    """Main is the version before or the one after; so is Postgres, which may lag behind."""
    assert seen["lake"] in (before["lake"], after["lake"])
    assert seen["published"] in (before["published"], after["published"])
    assert seen["published"] == seen["of_published_version"]
    assert seen["duplicates"] == 0
