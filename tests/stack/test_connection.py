"""Where the lake is: the native stack, somebody's own servers, or some of each; and the secrets of it."""

import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from include.connections import Fields
from include.errors import ServiceError, SettingsError
from include.lakehouse import open_lakehouse
from include.lakehouse.nessie.trino import failed_by_itself, own_trino
from include.settings import Settings, load_settings
from include.stack.connection import lake_connection
from include.stack.credentials import make_credentials, read_credentials

OWN_S3 = {
    "aws_s3_endpoint": "https://s3.example/",
    "aws_access_key_id": "me",
    "aws_secret_access_key": "mine",
}


def settings(home: Path, **values: object) -> Settings:
    return Settings(_env_file=None, lakehouse_home=home, **values)


def test_before_the_first_start_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="never started here: `make stack-up`, or let NESSIE_URI"):
        lake_connection(settings(tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_native_stack_is_the_default(tmp_path: Path) -> None:
    here = settings(tmp_path, lakehouse_nessie_port=1234, lakehouse_s3_port=2345)
    here.stack_path.mkdir()
    credentials = make_credentials(here.stack_path)
    lake = lake_connection(here)
    assert (lake.nessie_uri, lake.s3_endpoint) == ("http://127.0.0.1:1234", "http://127.0.0.1:2345")
    assert (lake.warehouse, lake.bucket) == ("s3://warehouse/lake", "warehouse")
    assert lake.secret_access_key == credentials.s3_secret_access_key


def test_keys_without_an_endpoint_are_somebody_elses(tmp_path: Path) -> None:
    here = settings(tmp_path, aws_access_key_id="cloud", aws_secret_access_key="cloud")
    here.stack_path.mkdir()
    assert make_credentials(here.stack_path).s3_access_key_id == lake_connection(here).access_key_id


def test_own_servers_need_no_native_stack(tmp_path: Path) -> None:
    lake = lake_connection(
        settings(
            tmp_path, nessie_uri="http://nessie:19120/", iceberg_warehouse_path="s3://glucose/l", **OWN_S3
        )
    )
    assert (lake.nessie_uri, lake.s3_endpoint) == ("http://nessie:19120", "https://s3.example")
    assert (lake.access_key_id, lake.secret_access_key, lake.bucket) == ("me", "mine", "glucose")
    assert "mine" not in repr(lake)


def test_an_endpoint_needs_its_keys(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY too"):
        lake_connection(settings(tmp_path, nessie_uri="http://n", aws_s3_endpoint="https://s3.example"))


@pytest.mark.parametrize("path", ["/var/lake", "s3://", "s3:///lake", "file:///lake"])
def test_a_warehouse_lies_in_a_bucket(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("ICEBERG_WAREHOUSE_PATH", path)
    with pytest.raises(SettingsError, match="ICEBERG_WAREHOUSE_PATH"):
        load_settings()


def test_secrets_are_made_once_for_their_owner_only(tmp_path: Path) -> None:
    assert read_credentials(tmp_path) is None
    made = make_credentials(tmp_path)
    assert make_credentials(tmp_path) == made == read_credentials(tmp_path)
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600
    assert made.s3_secret_access_key not in repr(made)
    assert made.version_store_password not in repr(made)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"s3_access_key_id": "k"}'])
def test_a_damaged_file_of_secrets_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "credentials.json").write_text(text)
    with pytest.raises(ServiceError, match=r"credentials.json is damaged: delete it"):
        read_credentials(tmp_path)


@pytest.mark.parametrize("missing", ["lakehouse_trino", "lakehouse_postgres"])
def test_ones_own_nessie_beside_the_native_servers_is_refused(tmp_path: Path, missing: str) -> None:
    """They would be two lakes, and two leases."""
    settings = Settings(
        _env_file=None, lakehouse_profile="trino", lakehouse_home=tmp_path, nessie_uri="http://nessie.example"
    )
    connections = {
        "lakehouse_trino": Fields("trino.example"),
        "lakehouse_postgres": Fields("db.example", "glucose", login="lake"),
    }
    del connections[missing]
    with pytest.raises(SettingsError, match=f"connection {missing} is not defined"):
        open_lakehouse(settings, connections.get)


@pytest.mark.parametrize("setting", ["nessie_uri", "aws_s3_endpoint"])
@pytest.mark.parametrize(
    "address", ["http://a:s3cr3t@nessie.example", "nessie.example:19120", "ftp://a.example"]
)
def test_an_address_that_cannot_be_shown_or_used(setting: str, address: str) -> None:
    with pytest.raises(ValidationError, match="write it like http://host:port") as refused:
        Settings(_env_file=None, **{setting: address})
    assert "s3cr3t" not in str(refused.value)


def test_a_trino_that_wants_a_password_is_refused() -> None:
    with pytest.raises(SettingsError, match="needs a host and no password") as refused:
        own_trino(lambda _: Fields("trino.example", password="s3cr3t"))
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "is_own"),
    [
        ("TrinoUserError(type=USER_ERROR, name=SYNTAX_ERROR, message=...)", False),
        ("TrinoExternalError(type=EXTERNAL, name=ICEBERG_CATALOG_ERROR, message=...)", True),
        ("TrinoQueryError(type=INSUFFICIENT_RESOURCES, name=EXCEEDED_LOCAL_MEMORY_LIMIT, message=...)", True),
        ("HTTPConnectionPool(host='127.0.0.1', port=1): Max retries exceeded with url: /v1/statement", True),
        ("Got 3 results, configured to fail if != 0", False),
    ],
)
def test_which_failures_of_a_build_are_trinos_own(said: str, is_own: bool) -> None:
    assert failed_by_itself(said) is is_own
