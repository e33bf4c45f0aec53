"""What has to be in the environment before Airflow, Cosmos, dlt or dbt is imported. Imports none of them."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from include.errors import ServiceError
from include.ingestion.loader import DLT_ENVIRONMENT
from include.orchestration.pools import POOLS
from include.run.transform import dbt_paths
from include.settings import PROJECT, Settings

# `dags test` gets a metadata database of its own: beside a live scheduler it would share its task instances.
Home = Literal["test", "service"]
FOLDERS: dict[Home, str] = {"test": "airflow-test", "service": "airflow"}

AIRFLOW = {
    "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__CORE__MAX_MAP_LENGTH": "10000",  # windows of a range run; the default ends after about 40 years
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",  # seconds; on a loaded laptop 30 do not do
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # seconds; a busy laptop needs more than the default 5
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "180",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",  # each parse costs seconds of a laptop's CPU
    "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
    "AIRFLOW__COSMOS__ENABLE_DAG_VERSIONING": "False",  # it writes a hash into the Dag's documentation
    "AIRFLOW__COSMOS__ENABLE_ORJSON_PARSER": "True",
    "AIRFLOW__OPENLINEAGE__DISABLED": "True",
    "AIRFLOW__OPENLINEAGE__NAMESPACE": "nightscout",  # without it every command warns
    "OPENLINEAGE_DISABLED": "true",
    "SCARF_NO_ANALYTICS": "true",
}

# What is freed goes back to the system at once; else a run over ten years keeps 300 MB that it does not use.
ALLOCATORS = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0",  # that of Polars
}


def airflow_home(settings: Settings, home: Home) -> Path:
    """Where Airflow keeps its metadata database, configuration and logs."""
    return settings.lakehouse_home / FOLDERS[home]


def airflow_environment(settings: Settings, home: Home) -> dict[str, str]:
    """The variables to start any `airflow` command with, beside those that the user has set."""
    folder = airflow_home(settings, home)
    address = f"http://127.0.0.1:{settings.lakehouse_airflow_port}"
    return {
        **AIRFLOW,
        **ALLOCATORS,
        **DLT_ENVIRONMENT,
        **dbt_paths(settings),
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__COSMOS__CACHE_DIR": str(folder / "cosmos"),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(settings.lakehouse_airflow_port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "LAKEHOUSE_HOME": str(settings.lakehouse_home),
    }


def prepare_airflow(settings: Settings, home: Home) -> None:
    """Make Airflow's metadata database and pools, when not yet done for this Airflow and these pools.

    Raises ServiceError when it fails, with the place of the log.
    """
    folder = airflow_home(settings, home)
    mark = folder / "prepared"
    made_by = f"apache-airflow {version('apache-airflow-core')}, pools {json.dumps(POOLS)}"
    if mark.exists() and mark.read_text() == made_by:
        return
    log = folder / "prepare.log"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with log.open("w") as output:
            done = subprocess.run(
                [sys.executable, "-m", "include.orchestration.database"],
                env={**os.environ, **airflow_environment(settings, home)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                umask=0o077,
            )
    except OSError as error:
        raise ServiceError(
            f"{folder} cannot be written ({error.strerror}): set LAKEHOUSE_HOME elsewhere."
        ) from error
    if done.returncode:
        said = f"the reason is in {log}" if log.stat().st_size else "it said nothing: is the disk full?"
        raise ServiceError(f"Airflow's metadata database in {folder} cannot be made; {said}")
    mark.write_text(made_by)
