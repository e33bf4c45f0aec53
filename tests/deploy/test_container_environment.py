"""What containers find in their environment: that of the native stack, the user's settings, secrets."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from include.orchestration.environment import airflow_environment
from include.serving.postgres import Postgres
from include.settings import PROJECT, Settings
from include.stack import services
from include.stack.connection import LakeConnection
from include.stack.environment_file import SECRETS
from include.stack.service import Service
from tests.deploy.compose_file import (
    COMPOSE,
    ONE_SHOT,
    SERVICES,
    bind_mounts,
    environment,
    interpolated,
    published,
    references,
)

AIRFLOW = [name for name in SERVICES if name.startswith("airflow-")]
# Settings that mean nothing inside: where the host listens and downloads, and what compose itself decides.
OF_THE_HOST = {
    "MAVEN_REPOSITORY",
    "SITES_FILE",  # include/sites.yaml is in the image
    *(name.upper() for name in Settings.model_fields if name.endswith(("_port", "_ports"))),
}
# What a program takes from its environment without a file that says so.
BY_ITSELF = {
    "nessie": {"QUARKUS_CONFIG_LOCATIONS", "JAVA_OPTS_APPEND"},
    "trino": set[str](),
    "postgres": {"POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS"},
    "s3": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOMEMLIMIT"},
}


@pytest.fixture
def native(tmp_path: Path) -> dict[str, Service]:
    """Services of the native stack."""
    settings = Settings(_env_file=None, lakehouse_home=tmp_path)
    lake = LakeConnection("http://n:1", settings.iceberg_warehouse_path, "http://s:2", "key", "secret")
    store = Postgres("127.0.0.1", 5433, "nessie", "nessie", "password")
    published = Postgres("127.0.0.1", 5433, "lakehouse", "lake", "password")
    return {
        "nessie": services.nessie_service(settings, lake, store, tmp_path, tmp_path),
        "trino": services.trino_service(settings, lake, published, tmp_path, tmp_path),
    }


def test_mounted_configuration_is_what_the_native_stack_reads(native: dict[str, Service]) -> None:
    mounts = {name: [PROJECT / source for source, *_ in bind_mounts(SERVICES[name])] for name in SERVICES}
    assert mounts["nessie"] == native["nessie"].configuration
    assert mounts["s3"] == [services.DEPLOY / "seaweedfs" / "mini.options"]
    (etc,) = mounts["trino"]
    assert sorted(file for file in etc.rglob("*") if file.is_file()) == native["trino"].configuration
    assert f"--etc-dir={etc}" in native["trino"].command
    seen = {target for _, target, _ in bind_mounts(SERVICES["nessie"])}
    assert seen == {SERVICES["nessie"]["environment"]["QUARKUS_CONFIG_LOCATIONS"]}
    assert "--etc-dir=/etc/trino" in SERVICES["trino"]["command"]
    assert "-options=/etc/seaweedfs/mini.options" in SERVICES["s3"]["command"]


def named_in(name: str) -> set[str]:
    """The variables that the mounted files of a service name."""
    pattern = re.compile(r"\$\{(?:ENV:)?(\w+)\}|^\\getenv \w+ (\w+)$", re.MULTILINE)
    mounted = [PROJECT / source for source, *_ in bind_mounts(SERVICES[name])]
    files = [file for place in mounted for file in (place, *place.rglob("*")) if file.is_file()]
    texts = [file.read_text() for file in files]
    return {found for text in texts for match in pattern.findall(text) for found in match if found}


@pytest.mark.parametrize("name", ["postgres", "s3", "nessie", "trino"])
def test_each_variable_that_a_file_names_is_given_and_no_other(name: str) -> None:
    assert set(SERVICES[name]["environment"]) == named_in(name) | BY_ITSELF[name]


def test_both_ways_to_run_give_the_same_variables(native: dict[str, Service]) -> None:
    assert set(native["trino"].environment) - {"JAVA_HOME"} == set(SERVICES["trino"]["environment"])
    assert set(native["nessie"].environment) == set(SERVICES["nessie"]["environment"]) - {"JAVA_OPTS_APPEND"}
    assert services.NESSIE_HEAP in SERVICES["nessie"]["environment"]["JAVA_OPTS_APPEND"].split()
    assert SERVICES["s3"]["environment"]["GOMEMLIMIT"] == services.S3_MEMORY
    assert not [name for name in SERVICES["nessie"]["environment"] if name.startswith("NESSIE_")]


def test_parts_name_each_other_as_they_are_called() -> None:
    hosts = set(SERVICES) | {"127.0.0.1", "0.0.0.0"}  # noqa: S104 (inside of a container)
    for service in SERVICES.values():
        for value in service.get("environment", {}).values():
            for scheme, host in re.findall(r"(\w+)://(?:[^@/\s]*@)?([\w.-]+)", interpolatable(value)):
                assert scheme == "s3" or host in hosts, value
    published_at = {name: {inside for *_, inside in published(SERVICES[name])} for name in SERVICES}
    assert published_at["trino"] == {SERVICES["trino"]["environment"]["HTTP_PORT"]}
    assert published_at["nessie"] == {SERVICES["nessie"]["environment"]["HTTP_PORT"]}


def interpolatable(value: object) -> str:
    return interpolated(value, dict.fromkeys((name for name, *_ in references(value)), "x"))


def test_every_secret_is_required_and_made_by_make_env(given: Mapping[str, str]) -> None:
    found = references(COMPOSE.read_text())
    required = {name for name, operator, _ in found if operator == "?"}
    assert required == set(SECRETS)
    assert {message for _, operator, message in found if operator == "?"} == {"run make env"}
    optional = {(name, default) for name, operator, default in found if operator != "?"}
    assert not {name for name, _ in optional} & required
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|_KEY$|KEY_ID|FERNET", variable):
                assert references(value), f"{name}: {variable} is written down"
        assert environment(name, given)
    others = {name: value for name, value in given.items() if name != "STACK_LAKE_PASSWORD"}
    with pytest.raises(KeyError, match="STACK_LAKE_PASSWORD"):
        environment("trino", others)


def test_a_password_reaches_only_who_needs_it() -> None:
    holders = {
        secret: {name for name, service in SERVICES.items() if secret in str(service.get("environment"))}
        for secret in SECRETS
    }
    assert holders["STACK_POSTGRES_PASSWORD"] == {"postgres"}
    assert holders["STACK_ADMIN_PASSWORD"] == {ONE_SHOT}
    assert holders["STACK_READER_PASSWORD"] == {"postgres", "pgweb"}
    assert holders["STACK_NESSIE_PASSWORD"] == {"postgres", "nessie"}
    assert holders["STACK_LAKE_PASSWORD"] == {"postgres", "trino", *AIRFLOW}
    assert all(not re.search("STACK_", str(service.get("command"))) for service in SERVICES.values())


def test_airflow_gets_every_setting_that_means_something_inside(given: Mapping[str, str]) -> None:
    passed = environment("airflow-scheduler", given)
    image = airflow_environment(Settings(_env_file=None), "service")
    names = {name.upper() for name in Settings.model_fields}
    assert names - OF_THE_HOST <= set(passed) | set(image)
    own = {name: f"own {name}" for name in (*given, *names)}
    assert environment("airflow-scheduler", own)["NIGHTSCOUT_URL"] == "own NIGHTSCOUT_URL"
    assert {environment(name, own)["HEAL_DAYS"] for name in AIRFLOW} == {"own HEAL_DAYS"}
    read = {name: value for name, value in passed.items() if name in names}
    settings = Settings(_env_file=None, **{name.lower(): value for name, value in read.items() if value})
    assert settings.lakehouse_profile == "trino"
    assert settings.heal_days == Settings.model_construct().heal_days


def test_parts_of_airflow_share_what_they_must(given: Mapping[str, str]) -> None:
    shared = {name: environment(name, given) for name in AIRFLOW}
    first = shared["airflow-scheduler"]
    for name, variables in shared.items():
        variables.pop("AIRFLOW_ADMIN_PASSWORD", None)
        assert variables == first
        assert SERVICES[name]["volumes"] == ["lakehouse:/opt/airflow/lakehouse"]
    assert first["AIRFLOW__CORE__FERNET_KEY"] == given["STACK_FERNET_KEY"]
    assert first["AIRFLOW__API_AUTH__JWT_SECRET"] == given["STACK_JWT_SECRET"]
    assert given["STACK_AIRFLOW_PASSWORD"] not in first["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
