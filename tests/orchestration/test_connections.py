"""Airflow's connections, as sites and servers read them."""

from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from include.connections import demanded
from include.errors import SettingsError
from include.nightscout.connections import site_address
from include.orchestration.connections import airflow_connection

TOKEN = "reader-0123456789abcdef"


def kept_by_airflow(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    def get(conn_id: str) -> Connection:
        if conn_id != "anna":
            raise AirflowNotFoundException(f"{conn_id} isn't defined")
        return Connection(conn_id=conn_id, conn_type="http", **fields)

    monkeypatch.setattr(Connection, "get", get)


def test_address_and_token(monkeypatch: pytest.MonkeyPatch) -> None:
    kept_by_airflow(monkeypatch, host="anna.example", schema="https", port=8443, password=TOKEN)
    url, credentials = site_address(demanded(airflow_connection, "anna"))
    assert url == "https://anna.example:8443"
    assert (credentials.token, credentials.api_secret) == (TOKEN, None)
    assert TOKEN not in repr(credentials)


def test_a_whole_url_and_an_api_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    kept_by_airflow(monkeypatch, host="https://anna.example/", password="a long api secret")
    url, credentials = site_address(demanded(airflow_connection, "anna"))
    assert url == "https://anna.example/"
    assert (credentials.token, credentials.api_secret) == (None, "a long api secret")


def test_a_connection_that_is_missing_says_where_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept_by_airflow(monkeypatch)
    with pytest.raises(SettingsError, match=r"bert is not defined: set AIRFLOW_CONN_BERT, or add it"):
        demanded(airflow_connection, "bert")
