"""What every test may use."""

import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from include.settings import PROJECT, Settings
from tests.stack_fixture import stack

__all__ = ["stack"]

# How long something took on a busy machine is no reason to fail.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

LONGEST = ["test_parity", "test_live_airflow", "test_overlap", "test_kill", "test_four_ways"]
LAST = ["test_services_down", "test_stack"]  # they end services, and a new Trino is slow for a while
ON_THE_STACK = re.compile(
    r"^tests/(engines/|stack/test_(stack|container_health)|cli/test_on_trino)|\[([^]]*-)?(trino|nessie)[]-]"
)

IN_CI = bool(os.environ.get("CI"))

# What the user of this machine configured is not what is tested: not by this process, nor by those it starts.
for name in list(os.environ):
    if name.lower() in Settings.model_fields or name.startswith(("AIRFLOW", "DBT_")):
        del os.environ[name]
os.environ["SETTINGS_FILE"] = str(PROJECT / "tests" / "settings.env")
Settings.model_config["env_file"] = os.environ["SETTINGS_FILE"]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Real exports, recorded answers and oracles; they are health data and stay outside the project.

    Who has none can still run everything else; in CI they have to be there.
    """
    path = Path(os.environ.get("NIGHTSCOUT_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not path.is_dir() and not IN_CI:
        pytest.skip(f"no test data in {path}: set NIGHTSCOUT_TEST_DATA to the folder that holds it")
    assert path.is_dir(), f"{path} does not exist: set NIGHTSCOUT_TEST_DATA to the folder of test data"
    return path


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage is collected meanwhile: a finalizer has no stack left where a parser has used it up."""
    gc.disable()
    yield
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first, so that the workers end together."""
    items.sort(
        key=lambda item: (
            LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST),
            item.path.stem in LAST,
            item.path.parent.name != "run",
        )
    )


class ByFileOrStack(LoadFileScheduling):
    """Tests of a file stay in one worker, and so do all that use the stack: two would fight for the cores."""

    def _split_scope(self, nodeid: str) -> str:
        return "stack" if ON_THE_STACK.search(nodeid) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFileOrStack:
    """See `ByFileOrStack`."""
    return ByFileOrStack(config, log)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """No test passes by not running: in CI a skipped one fails the session, elsewhere it is counted aloud."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter is not None else 0
    if skipped:
        reporter.write_line(f"\n{skipped} tests did not run (pytest -rs says why).", red=True)
    if skipped and IN_CI:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
