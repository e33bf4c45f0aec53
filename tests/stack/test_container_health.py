"""The health checks of docker-compose.yaml, run as they are on the services of the native stack.

That of Postgres asks for a role that containers alone have: `tests/deploy/test_postgres.py` runs it.
"""

import subprocess

import pytest

from include.settings import Settings
from tests.deploy.compose_file import SERVICES
from tests.free_ports import free_port

pytestmark = pytest.mark.stack


def checked(service: str, inside: int, here: int) -> int:
    """What a service's health check ends with when its port inside of the container is `here`."""
    kind, *command = SERVICES[service]["healthcheck"]["test"]
    words = [word.replace(f"127.0.0.1:{inside}/", f"127.0.0.1:{here}/") for word in command]
    program = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
    return subprocess.run(program, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("service", "inside", "setting"),
    [
        ("s3", 8333, "lakehouse_s3_port"),
        ("nessie", 19121, "lakehouse_nessie_management_port"),
        ("trino", 8080, "lakehouse_trino_port"),
    ],
)
def test_it_tells_a_service_that_is_ready_from_none(
    stack: Settings, service: str, inside: int, setting: str
) -> None:
    assert checked(service, inside, getattr(stack, setting)) == 0
    assert checked(service, inside, free_port()) != 0
