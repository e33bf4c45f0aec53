"""The image of Airflow: what it is made from, and that its steps make an Airflow that works."""

import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from include.orchestration.environment import airflow_environment
from include.orchestration.pools import POOLS
from include.settings import PROJECT, Settings
from tests.deploy.compose_file import ONE_SHOT, SERVICES, tracked
from tests.deploy.conftest import Initialised
from tests.deploy.dockerfile import HOME, Image, copied_by, read_steps, variables_of

STEPS = read_steps()
# What depends on the other containers stands in docker-compose.yaml instead.
OF_COMPOSE = {
    "AIRFLOW__API__HOST",
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
}
IMPORT = """
from airflow.dag_processing.dagbag import DagBag
bag = DagBag("{folder}")
assert not bag.import_errors, bag.import_errors
print(*bag.dag_ids)
"""


def test_its_base_is_the_airflow_that_is_tested() -> None:
    pinned = re.search(r"^apache-airflow==(\S+)", (PROJECT / "requirements.in").read_text(), re.MULTILINE)
    assert pinned
    assert [step.rest for step in STEPS if step.instruction == "FROM"] == [
        f"apache/airflow:{pinned[1]}-python3.12"
    ]
    uv = re.search(r"^UV_VERSION := (\S+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert uv
    assert len([step for step in STEPS if step.rest.endswith(f" uv=={uv[1]}")]) == 1


def test_it_sets_what_an_airflow_without_containers_gets() -> None:
    given: dict[str, str] = {}
    for step in STEPS:
        given |= variables_of(step) if step.instruction == "ENV" else {}
    del given["PATH"], given["VIRTUAL_ENV"]
    settings = Settings(_env_file=None, lakehouse_home=Path(HOME, "lakehouse"))
    native = {
        name: value.replace(str(PROJECT), HOME)
        for name, value in airflow_environment(settings, "service").items()
        if name not in OF_COMPOSE
    }
    # Without it, dbt's profile follows this one, and that docker-compose.yaml sets.
    assert native.pop("DBT_TARGET") == settings.lakehouse_profile
    assert "LAKEHOUSE_PROFILE" in SERVICES[ONE_SHOT]["environment"]
    assert given == native
    assert set(SERVICES[ONE_SHOT]["environment"]) >= OF_COMPOSE


def test_what_it_copies_is_not_ignored_and_nothing_else_is_sent() -> None:
    sources = {source for step in STEPS if step.instruction == "COPY" for source in copied_by(step)[0]}
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == sources
    assert "*" in ignored
    assert not {file for file in tracked() if file.name == ".env"}


@pytest.mark.stack
def test_no_step_is_left_out(image: Image) -> None:
    assert image.done == STEPS
    assert len(image.done) > 10
    (line,) = image.run(["sh", "-c", "command -v airflow"]).splitlines()
    assert line == image.translated(f"{HOME}/.venv/bin/airflow")
    assert image.run(["airflow", "version"]).split()[-1] == STEPS[0].rest.split(":")[1].split("-")[0]


@pytest.mark.stack
def test_the_dag_is_imported_from_the_image(started: Image) -> None:
    folder = started.environment["AIRFLOW__CORE__DAGS_FOLDER"]
    assert folder.startswith(str(started.root))
    said = started.run(["python", "-c", IMPORT.format(folder=folder)])
    assert set(said.splitlines()[-1].split()) == {"nightscout_glucose", "lakehouse_maintenance"}
    where = started.run(["python", "-c", "import include; print(include.__file__)"])
    assert where.startswith(str(started.root))


@pytest.mark.stack
def test_what_runs_first_makes_manifest_password_and_database(
    started: Image, initialised: Initialised, given: Mapping[str, str]
) -> None:
    home = Path(started.environment["LAKEHOUSE_HOME"])
    manifest = json.loads((home / "dbt" / "manifest.json").read_text())
    assert "model.glucose.mrt_glucose_overview" in manifest["nodes"]
    passwords = home / "airflow" / "passwords.json"
    assert json.loads(passwords.read_text()) == {"admin": given["STACK_ADMIN_PASSWORD"]}
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
    metadata = initialised.seen_by("airflow", given["STACK_AIRFLOW_PASSWORD"], "airflow")
    with metadata.transaction() as connection:
        pools = dict(connection.execute("select pool, slots from slot_pool").fetchall())
    assert {name: slots for name, (slots, _) in POOLS.items()}.items() <= pools.items()
    started.run(SERVICES[ONE_SHOT]["command"])  # as at each `docker compose up`
