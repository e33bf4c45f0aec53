"""The address of a site: what may be one, and why a secret must not be in it."""

import re
from urllib.parse import SplitResult, urlsplit

from include.errors import SettingsError

HOST = re.compile(r"[^\s/\\@?#%<>\"'{}|^`,;]+")


def check_url(url: str, setting: str) -> str:
    """The base address of a site, without trailing slash. `setting` is what a message calls it.

    Raises SettingsError; its message never quotes the address, which may hold a secret.
    """
    address = _split(url.strip())
    if (
        address is None
        or address.scheme not in ("http", "https")
        or not HOST.fullmatch(address.hostname or "")
    ):
        raise SettingsError(f"{setting} is no address of a site: it must look like https://your-site.example")
    if address.username is not None or address.password is not None or _holds_secret(address):
        raise SettingsError(
            f"{setting} holds a secret, and addresses end up in logs and histories: remove it from there and "
            "set NIGHTSCOUT_TOKEN or NIGHTSCOUT_API_SECRET (with sites.yaml: the password of the connection)"
        )
    if address.query or address.fragment or re.search(r"/api(/|$)", address.path):
        raise SettingsError(
            f"{setting} must be the address of the site alone, such as https://your-site.example, without "
            "/api, ? and #"
        )
    return f"{address.scheme}://{address.netloc}{address.path}".rstrip("/")


def _split(url: str) -> SplitResult | None:
    try:
        address = urlsplit(url)
        _ = address.port  # is only checked when asked for
    except ValueError:
        return None
    return address


def _holds_secret(address: SplitResult) -> bool:
    """Whether the query or fragment names a token or secret, as in `?token=` and `?secret=`."""
    return bool(
        re.search(r"(token|secret|jwt|auth)\w*=", f"{address.query}&{address.fragment}", re.IGNORECASE)
    )
