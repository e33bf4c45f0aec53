"""docker-compose.yaml in the loader that Docker Compose itself uses."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from include.stack.environment_file import SECRETS
from tests.deploy.compose_file import COMPOSE, SERVICES

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ours, since the command that comes with Compose's library passes no variables on."""
    go = shutil.which("go")
    assert go, "these tests build Compose's loader: install Go 1.24 or newer, then try again"
    program = tmp_path_factory.mktemp("go") / "loader"
    built = subprocess.run(
        [go, "build", "-C", Path(__file__).parent / "loader", "-o", program, "."],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, f"the loader is not built: see that a Go proxy is reached\n{built.stderr}"
    return program


def load(loader: Path, folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Load the file with these variables in `.env`, and no others."""
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    return subprocess.run(
        [loader, str(COMPOSE)], cwd=folder, env={}, capture_output=True, text=True, check=False
    )


def test_it_is_loaded_with_what_make_env_makes(
    loader: Path, tmp_path: Path, given: Mapping[str, str]
) -> None:
    done = load(loader, tmp_path, given)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no warning either
    services = json.loads(done.stdout)["services"]
    assert set(services) == set(SERVICES)
    assert services["trino"]["environment"]["POSTGRES_PASSWORD"] == given["STACK_LAKE_PASSWORD"]
    connections = services["airflow-scheduler"]["environment"]
    assert json.loads(connections["AIRFLOW_CONN_LAKEHOUSE_POSTGRES"]) == {
        "conn_type": "postgres",
        "host": "postgres",
        "port": 5432,
        "schema": "lakehouse",
        "login": "lake",
        "password": given["STACK_LAKE_PASSWORD"],
    }
    assert json.loads(connections["AIRFLOW_CONN_LAKEHOUSE_TRINO"])["host"] == "trino"
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert len({port["published"] for port in ports}) == len(ports) == 6
    mounts = [mount for service in services.values() for mount in service.get("volumes", ())]
    bound = [Path(mount["source"]) for mount in mounts if mount["type"] == "bind"]
    assert len(bound) == 4
    assert all(path.exists() for path in bound)


def test_what_the_user_set_arrives(loader: Path, tmp_path: Path, given: Mapping[str, str]) -> None:
    own = {"NIGHTSCOUT_URL": "https://a.example", "LAKEHOUSE_AIRFLOW_PORT": "18080"}
    services = json.loads(load(loader, tmp_path, given | own).stdout)["services"]
    (port,) = services["airflow-api-server"]["ports"]
    assert port["published"] == "18080"
    scheduler = services["airflow-scheduler"]["environment"]
    assert scheduler["NIGHTSCOUT_URL"] == "https://a.example"
    assert scheduler["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:18080"


@pytest.mark.parametrize("missing", SECRETS)
def test_it_is_refused_without_a_secret(
    loader: Path, tmp_path: Path, given: Mapping[str, str], missing: str
) -> None:
    refused = load(loader, tmp_path, {name: value for name, value in given.items() if name != missing})
    assert refused.returncode == 1
    assert f"required variable {missing} is missing a value: run make env" in refused.stderr
    assert not [name for name in SECRETS if name != missing and name in refused.stderr]


def test_it_is_refused_with_an_empty_file(loader: Path, tmp_path: Path) -> None:
    refused = load(loader, tmp_path, {})
    assert refused.returncode == 1
    assert refused.stdout == ""
