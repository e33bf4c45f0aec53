"""Postgres as containers get it: its roles, its databases, and who may connect to what."""

import subprocess
from collections.abc import Mapping

import pytest

from include.errors import ServiceError
from include.serving.operations import prepare
from include.serving.server import READER
from tests.deploy.compose_file import SERVICES, environment
from tests.deploy.conftest import Initialised, programs_of_postgres
from tests.free_ports import free_port

PASSWORDS = {
    "lake": "STACK_LAKE_PASSWORD",
    "glucose_reader": "STACK_READER_PASSWORD",
    "nessie": "STACK_NESSIE_PASSWORD",
    "airflow": "STACK_AIRFLOW_PASSWORD",
}
DATABASES = ("lakehouse", "nessie", "airflow", "postgres", "template1")
ALLOWED = {
    ("lake", "lakehouse"),
    ("glucose_reader", "lakehouse"),
    ("nessie", "nessie"),
    ("airflow", "airflow"),
}


@pytest.mark.parametrize("role", PASSWORDS)
def test_each_role_connects_to_its_own_database_only(
    initialised: Initialised, given: Mapping[str, str], role: str
) -> None:
    may = set()
    for database in DATABASES:
        try:
            with initialised.seen_by(role, given[PASSWORDS[role]], database).transaction() as connection:
                assert connection.execute("select current_user").fetchone() == (role,)
                may.add((role, database))
        except ServiceError as error:
            assert "permission denied for database" in str(error)  # noqa: PT017 (one of several)
    assert may == {(who, database) for who, database in ALLOWED if who == role}


def test_a_password_is_asked_for(initialised: Initialised) -> None:
    with (
        pytest.raises(ServiceError, match="password authentication failed"),
        initialised.seen_by("lake", "wrong", "lakehouse").transaction(),
    ):
        pass


def test_no_role_is_more_than_it_must_be(initialised: Initialised, given: Mapping[str, str]) -> None:
    superuser = initialised.seen_by("postgres", given["STACK_POSTGRES_PASSWORD"], "postgres")
    with superuser.transaction() as connection:
        roles = connection.execute(
            "select rolname, rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls "
            "from pg_roles where rolcanlogin"
        ).fetchall()
        owners = connection.execute(
            "select datname, pg_get_userbyid(datdba) from pg_database where not datistemplate"
        ).fetchall()
    assert dict(roles) == dict.fromkeys(PASSWORDS, False) | {"postgres": True}
    assert dict(owners) == {
        "postgres": "postgres", "lakehouse": "lake", "nessie": "nessie", "airflow": "airflow"
    }  # fmt: skip


def test_the_pipeline_finds_what_it_needs(initialised: Initialised, given: Mapping[str, str]) -> None:
    owner = initialised.seen_by("lake", given["STACK_LAKE_PASSWORD"], "lakehouse")
    reader = initialised.seen_by(READER, given["STACK_READER_PASSWORD"], "lakehouse")
    prepare(owner)
    with reader.transaction() as connection:
        assert connection.execute("show default_transaction_read_only").fetchone() == ("on",)
        assert connection.execute("select count(*) from ops.publication").fetchone() == (0,)


def test_it_is_healthy_only_when_its_first_start_came_to_its_end(
    initialised: Initialised, given: Mapping[str, str]
) -> None:
    kind, command = SERVICES["postgres"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    variables = environment("postgres", given) | {
        "PATH": f"{programs_of_postgres()}:/usr/bin:/bin",
        "LC_ALL": "C",
    }

    def is_healthy(port: int = initialised.port) -> bool:
        checked = subprocess.run(
            ["/bin/sh", "-c", command.replace("$$", "$")],
            env=variables | {"PGPORT": str(port)},
            capture_output=True,
            check=False,
        )
        return checked.returncode == 0

    assert is_healthy()
    assert not is_healthy(free_port())
    superuser = initialised.seen_by("postgres", given["STACK_POSTGRES_PASSWORD"], "postgres")
    with superuser.transaction() as connection:
        connection.execute("alter role airflow nologin")
    try:
        assert not is_healthy()
    finally:
        with superuser.transaction() as connection:
            connection.execute("alter role airflow login")


def test_text_sorts_as_in_the_native_one(initialised: Initialised, given: Mapping[str, str]) -> None:
    arguments = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    superuser = initialised.seen_by("postgres", given["STACK_POSTGRES_PASSWORD"], "lakehouse")
    with superuser.transaction() as connection:
        (encoding, provider, locale) = connection.execute(
            "select pg_encoding_to_char(encoding), datlocprovider, datlocale from pg_database "
            "where datname = 'lakehouse'"
        ).fetchall()[0]
    assert provider == "b"
    assert {f"--encoding={encoding}", "--locale-provider=builtin", f"--builtin-locale={locale}"} < set(
        arguments
    )
