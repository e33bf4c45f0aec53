"""The sites whose data is read, with their zones and credentials: from settings, or from sites.yaml."""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from include.errors import SettingsError
from include.nightscout.addresses import check_url
from include.nightscout.connections import Connection, Credentials, environment_connection
from include.nightscout.sites_file import SiteEntry, check_site_id, read_sites_file
from include.nightscout.zones import ZoneValidity, check_zones
from include.settings import DEMO_SITE, Settings

__all__ = ["Connection", "Credentials", "ProfileZone", "Site", "configured_sites"]

UNKNOWN_ZONE = (ZoneValidity("UTC"),)  # of a site that is only asked for the zone of its profile


@dataclass(frozen=True)
class Site:
    """One Nightscout site. `url` is its base address, without credentials and without trailing slash.

    `problem` says why it cannot be asked, if so: then address and credentials are empty.
    """

    site_id: str
    url: str
    zones: tuple[ZoneValidity, ...]
    credentials: Credentials = field(repr=False)
    target_set: str = "standard"
    is_demo: bool = False
    problem: str | None = None

    @property
    def origin(self) -> str:
        """`scheme://host[:port]` of the URL, as browsers write it; `demo` for the demo site."""
        if self.is_demo:
            return DEMO_SITE
        if self.problem is not None:
            return "unknown"
        address = urlsplit(self.url)
        host = f"[{address.hostname}]" if ":" in str(address.hostname) else address.hostname
        is_default = address.port in (None, {"http": 80, "https": 443}[address.scheme])
        return f"{address.scheme}://{host}" + ("" if is_default else f":{address.port}")


ProfileZone = Callable[[Site], str | None]


def configured_sites(
    settings: Settings, connection: Connection | None = None, profile_zone: ProfileZone | None = None
) -> tuple[Site, ...]:
    """Every site to read: the one of NIGHTSCOUT_*, those of sites.yaml, or the demo site when none is set.

    `connection` resolves an Airflow connection id of sites.yaml; without it the environment's
    AIRFLOW_CONN_<ID> is read. `profile_zone` asks a site for the zone of its profile; it is called only
    to put a hint into the message that NIGHTSCOUT_TIME_ZONE is missing. Raises SettingsError; a connection
    that is missing or wrong is its own site's `problem` only.
    """
    if settings.sites_file.exists():
        if settings.nightscout_url:
            raise SettingsError(f"set either NIGHTSCOUT_URL or {settings.sites_file}, not both")
        entries = read_sites_file(settings.sites_file)
        return tuple(_listed_site(entry, connection or environment_connection) for entry in entries)
    if settings.nightscout_url:
        return (_single_site(settings, settings.nightscout_url, profile_zone),)
    if settings.nightscout_token or settings.nightscout_api_secret or settings.nightscout_time_zone:
        raise SettingsError("NIGHTSCOUT_URL is missing: set it, or remove the other NIGHTSCOUT_ settings")
    return (_demo_site(),)


def configured_site_ids(settings: Settings) -> set[str]:
    """Ids of the sites to read; no connection is looked up. Raises SettingsError for a wrong sites.yaml."""
    if settings.sites_file.exists() and not settings.nightscout_url:
        return {entry.site_id for entry in read_sites_file(settings.sites_file)}
    return {settings.nightscout_site if settings.nightscout_url else DEMO_SITE}


def _demo_site() -> Site:
    from include.nightscout.demo import DEMO_ZONE

    return Site(DEMO_SITE, "", (ZoneValidity(DEMO_ZONE),), Credentials(), is_demo=True)


def _single_site(settings: Settings, address: str, profile_zone: ProfileZone | None) -> Site:
    """The site of the NIGHTSCOUT_ settings."""
    site_id = check_site_id(settings.nightscout_site, "NIGHTSCOUT_SITE")
    token, secret = settings.nightscout_token, settings.nightscout_api_secret
    credentials = Credentials(
        token=token.get_secret_value() if token else None,
        api_secret=secret.get_secret_value() if secret else None,
    )
    url = check_url(address, "NIGHTSCOUT_URL")
    if not settings.nightscout_time_zone:
        hint = profile_zone(Site(site_id, url, UNKNOWN_ZONE, credentials)) if profile_zone else None
        raise SettingsError(
            "NIGHTSCOUT_TIME_ZONE is missing: set it to the IANA zone in which the person lives"
            + (f"; the site's own profile says {hint!r}" if hint else ", such as Europe/Berlin")
        )
    zones = check_zones((ZoneValidity(settings.nightscout_time_zone),), "NIGHTSCOUT_TIME_ZONE")
    return Site(site_id, url, zones, credentials)


def _listed_site(entry: SiteEntry, connection: Connection) -> Site:
    """A site of sites.yaml, with the address and credentials of its connection."""
    where = f"site {entry.site_id}, connection {entry.connection}"
    try:
        url, credentials = connection(entry.connection)
        return Site(entry.site_id, check_url(url, where), entry.zones, credentials, entry.target_set)
    except SettingsError as error:
        return Site(entry.site_id, "", entry.zones, Credentials(), entry.target_set, problem=str(error))
