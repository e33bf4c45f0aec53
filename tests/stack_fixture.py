"""The real stack for tests: one a pytest session, stopped and deleted at its end.

A test that asks for `stack` gets the settings of a home in which Postgres, S3, Nessie and Trino run. Mark it
`stack`, leave the services running, and put what you write into a branch or schema of your own.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from include.settings import Settings
from tests.free_ports import SYSTEM_RANDOM, free_port

S3_INNER_PORTS = 9


def stack_settings(home: object) -> Settings:
    """Settings of a stack below `home`, on ports of its own."""
    return Settings(
        _env_file=None,
        lakehouse_home=home,
        lakehouse_profile="trino",
        lakehouse_postgres_port=free_port(),
        lakehouse_trino_port=free_port(),
        lakehouse_nessie_port=free_port(),
        lakehouse_nessie_management_port=free_port(),
        lakehouse_s3_port=free_port(),
        lakehouse_s3_inner_ports=first_of_free_ports(S3_INNER_PORTS),
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """The same settings as environment variables, for commands."""
    values = settings.model_dump(include=settings.model_fields_set)
    return {name.upper(): str(value) for name, value in values.items()}


def first_of_free_ports(count: int) -> int:
    """The first of so many ports in a row that were all free a moment ago."""
    while True:
        first = SYSTEM_RANDOM.randrange(30_000, 32_000)
        try:
            with ExitStack() as stack:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    # Here, since every test process reads this module and few start a stack.
    from include.run.home import remove_home
    from include.stack.stack import Stack

    settings = stack_settings(tmp_path_factory.mktemp("stack") / "lakehouse")
    try:
        Stack(settings).up()
        yield settings
    finally:
        remove_home(settings)
