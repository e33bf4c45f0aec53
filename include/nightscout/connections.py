"""An Airflow connection, read as the address and credentials of a site.

The fields mean what they mean to Airflow's HTTP connections:

- host, schema, port: the URL. Schema is `https` (the default) or `http`; a host may also be a whole URL.
- password: the access token if it looks like one (`<name>-<16 hexadecimal digits>`), else the API secret;
  empty for a site that anybody may read.
- login, extra: not used.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from include.errors import SettingsError

ACCESS_TOKEN = re.compile(r"\S*-[0-9a-f]{16}")


@dataclass(frozen=True)
class Credentials:
    """How a site is entered: an access token, or the API secret, or neither (a readable site)."""

    token: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)


Connection = Callable[[str], tuple[str, Credentials]]


def from_fields(
    *, host: str | None, schema: str | None, port: int | None, password: str | None
) -> tuple[str, Credentials]:
    """URL and credentials of a connection, from its fields. The URL is not checked here."""
    address = unquote(host or "")
    if "://" not in address:
        address = f"{schema or 'https'}://{address}"
    if port is not None:
        scheme, _, rest = address.partition("://")
        authority, slash, path = rest.partition("/")
        address = f"{scheme}://{authority}:{port}{slash}{path}"
    if not password:
        return address, Credentials()
    if ACCESS_TOKEN.fullmatch(password):
        return address, Credentials(token=password)
    return address, Credentials(api_secret=password)


def environment_connection(connection_id: str) -> tuple[str, Credentials]:
    """The connection AIRFLOW_CONN_<ID> of the environment, in JSON or URI form.

    Raises SettingsError when it is not set or cannot be read; the message never quotes it.
    """
    name = f"AIRFLOW_CONN_{connection_id.upper()}"
    value = os.environ.get(name, "").strip()
    if not value:
        raise SettingsError(f"connection {connection_id} is not defined: set {name}, or add it to Airflow")
    fields = _json_fields(value) if value.startswith("{") else _uri_fields(value)
    if fields is None:
        raise SettingsError(f"{name} is neither the JSON nor the URI form of an Airflow connection")
    return from_fields(**fields)


def _json_fields(value: str) -> dict[str, Any] | None:
    try:
        connection = json.loads(value)
        port = connection.get("port")
        fields: dict[str, Any] = {name: connection.get(name) for name in ("host", "schema", "password")}
        fields["port"] = None if port in (None, "") else int(port)
    except (ValueError, TypeError):
        return None
    is_text = all(fields[name] is None or isinstance(fields[name], str) for name in fields if name != "port")
    return fields if is_text else None


def _uri_fields(value: str) -> dict[str, Any] | None:
    try:
        uri = urlsplit(value)
        port = uri.port
    except ValueError:
        return None
    if not uri.hostname:
        return None
    return {
        "host": uri.hostname,
        "schema": unquote(uri.path.strip("/")) or None,
        "port": port,
        "password": unquote(uri.password) if uri.password else None,
    }
