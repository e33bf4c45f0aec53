"""The environment of Airflow's commands, and their database."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from include.errors import ServiceError
from include.orchestration import environment
from include.orchestration.environment import airflow_environment, airflow_home, prepare_airflow
from include.settings import PROJECT, Settings


def test_everything_lies_under_the_home_and_on_loopback(tmp_path: Path) -> None:
    variables = airflow_environment(Settings(lakehouse_home=tmp_path, lakehouse_airflow_port=18080), "test")
    inside = (
        "AIRFLOW_HOME",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
        "AIRFLOW__COSMOS__CACHE_DIR",
        "DBT_TARGET_PATH",
    )
    assert all(Path(variables[name]).is_relative_to(tmp_path) for name in inside)
    assert str(tmp_path) in variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert variables["AIRFLOW__CORE__DAGS_FOLDER"] == str(PROJECT / "dags")
    assert variables["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert variables["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:18080"


def test_dags_test_and_the_service_have_a_database_each(tmp_path: Path) -> None:
    settings = Settings(lakehouse_home=tmp_path)
    homes = {airflow_environment(settings, home)["AIRFLOW_HOME"] for home in ("test", "service")}
    assert homes == {str(tmp_path / "airflow-test"), str(tmp_path / "airflow")}


def test_nobody_is_told_what_runs_here(tmp_path: Path) -> None:
    variables = airflow_environment(Settings(lakehouse_home=tmp_path), "test")
    assert variables["AIRFLOW__COSMOS__ENABLE_TELEMETRY"] == "False"
    assert variables["RUNTIME__DLTHUB_TELEMETRY"] == "false"
    assert variables["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    assert variables["OPENLINEAGE_DISABLED"] == "true"
    assert variables["SCARF_NO_ANALYTICS"] == "true"


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    settings = Settings(
        lakehouse_home=tmp_path, nightscout_url="https://x.example", nightscout_token="t0p-secret"
    )
    assert "t0p-secret" not in str(airflow_environment(settings, "test"))


def test_it_can_be_known_before_airflow_is_imported() -> None:
    program = (
        "import sys; from include.orchestration import environment, service;"
        "assert not {'airflow', 'cosmos', 'dlt', 'dbt'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_database_is_made_once_with_our_pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(lakehouse_home=tmp_path)
    prepare_airflow(settings, "test")
    database = airflow_home(settings, "test") / "airflow.db"
    with sqlite3.connect(database) as connection:
        pools = dict(connection.execute("select pool, slots from slot_pool"))
    connection.close()
    assert pools == {"default_pool": 128, "nightscout_api": 2, "lease": 3, "warehouse": 1}
    assert stat.S_IMODE(database.stat().st_mode) == 0o600

    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(subprocess, "run", refuse)
    prepare_airflow(settings, "test")

    monkeypatch.setitem(environment.POOLS, "another", (1, "of a newer program"))
    with pytest.raises(AssertionError, match="made again"):
        prepare_airflow(settings, "test")


def test_runs_that_wait_leave_slots_to_the_one_that_writes() -> None:
    slots, _description = environment.POOLS["lease"]
    assert slots <= int(environment.AIRFLOW["AIRFLOW__CORE__PARALLELISM"]) / 2


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match=r"cannot be written .* set LAKEHOUSE_HOME elsewhere"):
        prepare_airflow(Settings(lakehouse_home=tmp_path / "file"), "test")


def test_a_database_that_cannot_be_made_names_the_log(tmp_path: Path) -> None:
    folder = airflow_home(Settings(lakehouse_home=tmp_path), "test")
    (folder / "airflow.db").mkdir(parents=True)
    with pytest.raises(ServiceError, match=rf"the reason is in {folder / 'prepare.log'}"):
        prepare_airflow(Settings(lakehouse_home=tmp_path), "test")
    assert os.path.getsize(folder / "prepare.log")  # noqa: PTH202


def test_a_database_that_cannot_be_made_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ServiceError, match="said nothing: is the disk full"):
        prepare_airflow(Settings(lakehouse_home=tmp_path), "test")
