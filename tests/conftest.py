"""What every test may use."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Real exports, recorded answers and oracles; they are health data and stay outside the project."""
    path = Path(os.environ.get("NIGHTSCOUT_TEST_DATA", PROJECT.parent / "shared" / "data"))
    assert path.is_dir(), f"{path} does not exist: point NIGHTSCOUT_TEST_DATA at the folder of test data"
    return path


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """No test may pass by not running: a skipped one fails the session."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("A test was skipped: say what it needs, or run it.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
