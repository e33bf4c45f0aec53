"""Airflow connections as fields: addresses and secrets of sites and servers, wherever Airflow keeps them."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from include.errors import SettingsError


@dataclass(frozen=True)
class Fields:
    """What a connection says; what each field means depends on what it connects to."""

    host: str | None = None
    schema: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)


FindConnection = Callable[[str], Fields | None]
"""Gives the connection of an id, None when it is not defined. Raises SettingsError."""

_TEXTS = ("host", "schema", "login", "password")


def environment_connection(connection_id: str) -> Fields | None:
    """The connection AIRFLOW_CONN_<ID> of the environment, in JSON or URI form; None when it is not set.

    Raises SettingsError when it cannot be read; the message never quotes it.
    """
    name = f"AIRFLOW_CONN_{connection_id.upper()}"
    value = os.environ.get(name, "").strip()
    if not value:
        return None
    fields = _json_fields(value) if value.startswith("{") else _uri_fields(value)
    if fields is None:
        raise SettingsError(f"{name} is neither the JSON nor the URI form of an Airflow connection")
    return fields


def demanded(find: FindConnection, connection_id: str) -> Fields:
    """A connection that has to be there. Raises SettingsError when it is not."""
    fields = find(connection_id)
    if fields is None:
        raise SettingsError(
            f"connection {connection_id} is not defined: set AIRFLOW_CONN_{connection_id.upper()}, "
            "or add it to Airflow (Admin, Connections)"
        )
    return fields


def _json_fields(value: str) -> Fields | None:
    try:
        connection = json.loads(value)
        texts: dict[str, Any] = {name: connection.get(name) for name in _TEXTS}
        port = connection.get("port")
        number = None if port in (None, "") else int(port)
    except (ValueError, TypeError):
        return None
    if not all(text is None or isinstance(text, str) for text in texts.values()):
        return None
    return Fields(**texts, port=number)


def _uri_fields(value: str) -> Fields | None:
    try:
        uri = urlsplit(value)
        port = uri.port
    except ValueError:
        return None
    if not uri.hostname:
        return None
    return Fields(
        host=uri.hostname,
        schema=unquote(uri.path.strip("/")) or None,
        port=port,
        login=unquote(uri.username) if uri.username else None,
        password=unquote(uri.password) if uri.password else None,
    )
