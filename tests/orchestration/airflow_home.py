"""An Airflow of the tests' own. Its environment is set here, before anything imports Airflow.

What the project sets for its commands is taken over, apart from LAKEHOUSE_HOME and dbt's paths: those hold
while a fixture does, so that tests of other folders in the same process keep theirs.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.orchestration.environment import airflow_environment
from include.run.transform import manifest_path
from include.settings import PROJECT, Settings

CATCHUP_DAYS = 4
HOME = Path(tempfile.mkdtemp(prefix="lakehouse-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

assert "airflow" not in sys.modules, "Airflow was imported before its environment was set"
SETTINGS = Settings(lakehouse_home=HOME)
PARSE = """
import sys
from include.run.transform import ensure_manifest
from include.settings import Settings
ensure_manifest(Settings(lakehouse_home=sys.argv[1]))
"""
os.environ |= {
    name: value
    for name, value in airflow_environment(SETTINGS, "test").items()
    if name != "LAKEHOUSE_HOME" and not name.startswith("DBT_")
}


@pytest.fixture(scope="session")
def lakehouse_home() -> Iterator[Path]:
    """LAKEHOUSE_HOME while the tests run that parse the Dag."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_HOME", str(HOME))
        patch.setenv("CATCHUP_DAYS", str(CATCHUP_DAYS))
        yield HOME


@pytest.fixture(scope="session")
def manifest(lakehouse_home: Path) -> Path:
    """dbt's manifest of the project as it is; made by another process, since dbt never closes its log."""
    subprocess.run([sys.executable, "-c", PARSE, str(HOME)], check=True)
    return manifest_path(SETTINGS)


@pytest.fixture(scope="session")
def airflow_database(lakehouse_home: Path) -> None:
    """Airflow's metadata database with our pools."""
    from include.orchestration.database import make_database

    make_database()


@pytest.fixture(scope="session")
def dag_bag(manifest: Path) -> Any:
    """Every Dag file, as the Dag processor reads them."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(PROJECT / "dags"))
