"""docker-compose.yaml as the tests read it."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from include.settings import PROJECT

COMPOSE = PROJECT / "docker-compose.yaml"
COMPOSED: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSED["services"]
ONE_SHOT = "airflow-init"

_REFERENCE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def references(value: object) -> list[tuple[str, str, str]]:
    """Each `${NAME:-default}` or `${NAME:?message}` in a value: name, operator, what follows it."""
    return _REFERENCE.findall(str(value))


def interpolated(value: object, given: Mapping[str, str]) -> str:
    """The value as compose passes it on. Raises KeyError for a name that is required and not given."""

    def replace(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        return given.get(name) or rest if operator == "-" else given[name]

    return _REFERENCE.sub(replace, str(value))


def environment(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """All that a service's container gets, when `.env` holds what is given."""
    return {name: interpolated(value, given) for name, value in SERVICES[service]["environment"].items()}


def published(service: Mapping[str, Any]) -> list[tuple[str, str, int, int]]:
    """Each published port: address, the variable that changes it, its default, the port inside."""
    pattern = re.compile(r"([\d.]+):\$\{(\w+):-(\d+)\}:(\d+)")
    ports = []
    for port in service.get("ports", ()):
        match = pattern.fullmatch(port)
        assert match, f"{port} is not ADDRESS:${{VARIABLE:-DEFAULT}}:PORT"
        address, variable, default, inside = match.groups()
        ports.append((address, variable, int(default), int(inside)))
    return ports


def bind_mounts(service: Mapping[str, Any]) -> list[tuple[Path, str, str]]:
    """Each mount of a file or folder of the project: where it is, where the container sees it, its mode."""
    parts = [mount.split(":") for mount in service.get("volumes", ())]
    return [
        (Path(source), target, mode[0] if mode else "rw")
        for source, target, *mode in parts
        if source[0] in "./~"
    ]


def tracked() -> set[Path]:
    """Every file in git, below the project."""
    listed = subprocess.run(
        ["git", "ls-files"],  # noqa: S607 (the machine's own)
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {Path(line) for line in listed.stdout.splitlines()}
