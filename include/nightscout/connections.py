"""An Airflow connection, read as the address and credentials of a site.

The fields mean what they mean to Airflow's HTTP connections:

- host, schema, port: the URL. Schema is `https` (the default) or `http`; a host may also be a whole URL.
- password: the access token if it looks like one (`<name>-<16 hexadecimal digits>`), else the API secret;
  empty for a site that anybody may read.
- login, extra: not used.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from include.connections import Fields

ACCESS_TOKEN = re.compile(r"\S*-[0-9a-f]{16}")


@dataclass(frozen=True)
class Credentials:
    """How a site is entered: an access token, or the API secret, or neither (a readable site)."""

    token: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)


def site_address(connection: Fields) -> tuple[str, Credentials]:
    """URL and credentials of a site, from its connection. The URL is not checked here."""
    address = unquote(connection.host or "")
    if "://" not in address:
        address = f"{connection.schema or 'https'}://{address}"
    if connection.port is not None:
        scheme, _, rest = address.partition("://")
        authority, slash, path = rest.partition("/")
        address = f"{scheme}://{authority}:{connection.port}{slash}{path}"
    password = connection.password
    if not password:
        return address, Credentials()
    if ACCESS_TOKEN.fullmatch(password):
        return address, Credentials(token=password)
    return address, Credentials(api_secret=password)
