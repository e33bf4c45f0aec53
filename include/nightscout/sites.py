"""The sites whose data is read, with their zones and credentials."""

from dataclasses import dataclass, field

from include.nightscout.zones import ZoneValidity


@dataclass(frozen=True)
class Credentials:
    """How a site is entered: an access token, or the API secret, or neither (a readable site)."""

    token: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Site:
    """One Nightscout site. `url` is its base address, without credentials and without trailing slash."""

    site_id: str
    url: str
    zones: tuple[ZoneValidity, ...]
    credentials: Credentials = field(repr=False)
    target_set: str = "standard"
    is_demo: bool = False
