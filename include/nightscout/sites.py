"""The sites whose data is read, with their zones and credentials: from settings, or from sites.yaml."""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from include.connections import FindConnection, demanded, environment_connection
from include.errors import SettingsError
from include.glucose import UnitName
from include.nightscout.addresses import check_url
from include.nightscout.connections import Credentials, site_address
from include.nightscout.sites_file import SiteEntry, check_site_id, read_sites_file
from include.nightscout.windows import Collection
from include.nightscout.zones import ZoneValidity, check_zones
from include.settings import DEMO_SITE, Settings, TargetSet

__all__ = ["Credentials", "ProfileZone", "Site", "configured_sites"]

UNKNOWN_ZONE = (ZoneValidity("UTC"),)  # of a site that is only asked for the zone of its profile


@dataclass(frozen=True)
class Site:
    """One Nightscout site. `url` is its base address, without credentials and without trailing slash.

    `problem` says why it cannot be asked, if so: then address and credentials are empty. Glucose is stored in
    mg/dL whatever `display_units` says; that is for what people are shown.
    """

    site_id: str
    url: str
    zones: tuple[ZoneValidity, ...]
    credentials: Credentials = field(repr=False)
    target_set: TargetSet = "standard"
    is_demo: bool = False
    problem: str | None = None
    display_units: UnitName = "mg/dL"
    device_status: bool = False

    @property
    def collections(self) -> tuple[Collection, ...]:
        """The collections of this site that are read."""
        optional = {Collection.DEVICE_STATUS: self.device_status}
        return tuple(collection for collection in Collection if optional.get(collection, True))

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
    settings: Settings,
    find_connection: FindConnection = environment_connection,
    profile_zone: ProfileZone | None = None,
) -> tuple[Site, ...]:
    """Every site to read: the one of NIGHTSCOUT_*, those of sites.yaml, or the demo site when none is set.

    `find_connection` finds an Airflow connection that sites.yaml names. `profile_zone` asks a site for the
    zone of its profile; it is called only to put a hint into the message that NIGHTSCOUT_TIME_ZONE is
    missing. Raises SettingsError; a connection that is missing or wrong is its own site's `problem` only.
    """
    if settings.sites_file.exists():
        if settings.nightscout_url:
            raise SettingsError(f"set either NIGHTSCOUT_URL or {settings.sites_file}, not both")
        entries = read_sites_file(settings.sites_file)
        return tuple(_listed_site(entry, find_connection) for entry in entries)
    if settings.nightscout_url:
        return (_single_site(settings, settings.nightscout_url, profile_zone),)
    others = (
        settings.nightscout_token,
        settings.nightscout_api_secret,
        settings.nightscout_time_zone,
        settings.nightscout_targets,
        settings.nightscout_units,
        settings.nightscout_device_status is not None,
    )
    if any(others):
        raise SettingsError("NIGHTSCOUT_URL is missing: set it, or remove the other NIGHTSCOUT_ settings")
    return (_demo_site(),)


def configured_site_ids(settings: Settings) -> set[str]:
    """Ids of the sites to read; no connection is looked up. Raises SettingsError for a wrong sites.yaml."""
    if settings.sites_file.exists() and not settings.nightscout_url:
        return {entry.site_id for entry in read_sites_file(settings.sites_file)}
    return {settings.nightscout_site if settings.nightscout_url else DEMO_SITE}


def known_site_ids(settings: Settings) -> set[str] | None:
    """The same, but None for a wrong sites.yaml: what is wrong with it is for a run to say."""
    try:
        return configured_site_ids(settings)
    except SettingsError:
        return None


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
    targets, units = settings.nightscout_targets or "standard", settings.nightscout_units or "mg/dL"
    return Site(
        site_id,
        url,
        zones,
        credentials,
        targets,
        display_units=units,
        device_status=settings.nightscout_device_status or False,
    )


def _listed_site(entry: SiteEntry, find_connection: FindConnection) -> Site:
    """A site of sites.yaml, with the address and credentials of its connection."""
    where = f"site {entry.site_id}, connection {entry.connection}"
    try:
        url, credentials = site_address(demanded(find_connection, entry.connection))
        url, problem = check_url(url, where), None
    except SettingsError as error:
        url, credentials, problem = "", Credentials(), str(error)
    return Site(
        entry.site_id,
        url,
        entry.zones,
        credentials,
        entry.target_set,
        problem=problem,
        display_units=entry.display_units,
        device_status=entry.device_status,
    )
