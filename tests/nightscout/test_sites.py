"""Sites from settings and from sites.yaml: what is accepted, and what a person is told otherwise."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.connections import Fields, FindConnection, demanded, environment_connection
from include.errors import SettingsError
from include.nightscout.client import open_client
from include.nightscout.connections import site_address
from include.nightscout.sites import Credentials, Site, configured_sites
from include.nightscout.sites_file import read_sites_file
from include.nightscout.windows import Collection
from include.nightscout.zones import ZoneValidity
from include.settings import PROJECT, Settings

SECRET = "a-planted-secret-4711"
TOKEN = "lake-0123456789abcdef"
BERLIN = (ZoneValidity("Europe/Berlin"),)


@pytest.fixture
def new_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings that know nothing of this machine's environment and .env."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def make(**values: Any) -> Settings:
        return Settings(_env_file=None, **({"sites_file": tmp_path / "sites.yaml"} | values))

    return make


@pytest.fixture
def listing(tmp_path: Path, new_settings: Callable[..., Settings]) -> Callable[[Any], Settings]:
    """Settings whose sites.yaml holds this."""

    def write(listed: Any) -> Settings:
        path = tmp_path / "sites.yaml"
        path.write_text(listed if isinstance(listed, str) else yaml.safe_dump(listed))
        return new_settings(sites_file=path)

    return write


def connection(connection_id: str) -> Fields:
    return Fields(host=f"{connection_id}.example", password=TOKEN)


def entry(**changes: Any) -> dict[str, Any]:
    return {"id": "anna", "connection": "nightscout_anna", "zone": "Europe/Berlin"} | changes


def message(settings: Settings, connection: FindConnection = connection) -> str:
    with pytest.raises(SettingsError) as caught:
        configured_sites(settings, connection)
    return str(caught.value)


# ------------------------------------------------------------------------------ one site, or the demo site


def test_nothing_set_is_the_demo_site(new_settings: Callable[..., Settings]) -> None:
    (site,) = configured_sites(new_settings())
    assert (site.site_id, site.origin, site.is_demo) == ("demo", "demo", True)
    assert site.credentials == Credentials()


def test_one_site_of_the_settings(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings(
        nightscout_url="https://Anna.example/", nightscout_token=TOKEN, nightscout_time_zone="Europe/Berlin"
    )
    (site,) = configured_sites(settings)
    assert site == Site("home", "https://Anna.example", BERLIN, Credentials(token=TOKEN))
    assert site.origin == "https://anna.example"


def test_the_other_ways_to_enter_a_site(new_settings: Callable[..., Settings]) -> None:
    common = {"nightscout_url": "https://anna.example", "nightscout_time_zone": "Europe/Berlin"}
    (hashed,) = configured_sites(new_settings(nightscout_api_secret=SECRET, nightscout_site="anna", **common))
    assert (hashed.site_id, hashed.credentials) == ("anna", Credentials(api_secret=SECRET))
    (readable,) = configured_sites(new_settings(**common))
    assert readable.credentials == Credentials()


def test_targets_and_units_of_the_settings(new_settings: Callable[..., Settings]) -> None:
    common = {"nightscout_url": "https://anna.example", "nightscout_time_zone": "Europe/Berlin"}
    (plain,) = configured_sites(new_settings(**common))
    assert (plain.target_set, plain.display_units) == ("standard", "mg/dL")
    chosen = {"nightscout_targets": "older_or_high_risk", "nightscout_units": "mmol/L"}
    (site,) = configured_sites(new_settings(**common, **chosen))
    assert (site.target_set, site.display_units) == ("older_or_high_risk", "mmol/L")


def test_secrets_are_in_no_repr(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings(
        nightscout_url="https://anna.example", nightscout_api_secret=SECRET, nightscout_time_zone="Asia/Tokyo"
    )
    (site,) = configured_sites(settings)
    assert SECRET not in f"{site!r} {site.credentials!r} {site} {settings!r}"
    assert TOKEN not in repr(Credentials(token=TOKEN))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://anna.example", "https://anna.example"),
        ("https://anna.example:443", "https://anna.example"),
        ("https://ANNA.example/nightscout/", "https://anna.example"),
        ("http://anna.example:80", "http://anna.example"),
        ("http://anna.example:443", "http://anna.example:443"),
        ("http://192.168.1.20:1337", "http://192.168.1.20:1337"),
        ("http://[::1]:1337", "http://[::1]:1337"),
    ],
)
def test_origin_is_scheme_host_and_port(new_settings: Callable[..., Settings], url: str, origin: str) -> None:
    (site,) = configured_sites(new_settings(nightscout_url=url, nightscout_time_zone="Asia/Tokyo"))
    assert site.origin == origin
    assert site.url == url.rstrip("/")


def test_a_missing_zone_names_the_profile_zone_as_a_hint(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings(nightscout_url="https://anna.example", nightscout_token=TOKEN)
    asked: list[Site] = []

    def profile_zone(site: Site) -> str:
        asked.append(site)
        return "America/Chicago"

    with pytest.raises(SettingsError, match=r"NIGHTSCOUT_TIME_ZONE is missing.*'America/Chicago'"):
        configured_sites(settings, profile_zone=profile_zone)
    assert [(site.url, site.credentials.token) for site in asked] == [("https://anna.example", TOKEN)]
    with pytest.raises(SettingsError, match="NIGHTSCOUT_TIME_ZONE is missing"):
        configured_sites(settings, profile_zone=lambda _: None)
    with pytest.raises(SettingsError, match="NIGHTSCOUT_TIME_ZONE is missing"):
        configured_sites(settings)


def test_an_unknown_zone_names_its_setting(new_settings: Callable[..., Settings]) -> None:
    said = message(new_settings(nightscout_url="https://anna.example", nightscout_time_zone="Europe/Berln"))
    assert said.startswith("NIGHTSCOUT_TIME_ZONE: unknown time zone 'Europe/Berln'")
    assert "Europe/Berlin" in said


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("anna.example", "must look like https://"),
        ("ftp://anna.example", "must look like https://"),
        ("https://", "must look like https://"),
        ("https://anna.example:port", "must look like https://"),
        ("https://anna.example:70000", "must look like https://"),
        ("https://an na.example", "must look like https://"),
        ("https://[::1", "must look like https://"),
        (f"https://anna:{SECRET}@anna.example", "end up in logs"),
        (f"https://{SECRET}@anna.example", "end up in logs"),
        (f"https://anna.example/?token={SECRET}", "end up in logs"),
        (f"https://anna.example?now=1&secret={SECRET}", "end up in logs"),
        (f"https://anna.example/#token={SECRET}", "end up in logs"),
        ("https://anna.example/?units=mmol", "the site alone"),
        ("https://anna.example/api/v1/entries.json", "the site alone"),
        ("https://anna.example/api/v1", "the site alone"),
    ],
)
def test_urls_that_are_refused(new_settings: Callable[..., Settings], url: str, reason: str) -> None:
    """Trap 22: a secret in the URL is refused, and not repeated in the refusal."""
    said = message(new_settings(nightscout_url=url, nightscout_time_zone="Europe/Berlin"))
    assert said.startswith("NIGHTSCOUT_URL ")
    assert reason in said
    assert SECRET not in said
    assert "anna" not in said


@pytest.mark.parametrize("site_id", ["Anna", "1anna", "anna b", "ä", "a" * 41, "anna\n", "", "-a"])
def test_site_ids_that_are_refused(listing: Callable[[Any], Settings], site_id: str) -> None:
    said = message(listing([entry(id=site_id)]))
    assert "entry 1, id" in said
    assert "is no site id" in said


def test_the_id_of_the_demo_site_is_kept(
    new_settings: Callable[..., Settings], listing: Callable[[Any], Settings]
) -> None:
    said = message(
        new_settings(
            nightscout_url="https://a.example", nightscout_time_zone="Asia/Tokyo", nightscout_site="demo"
        )
    )
    assert said == "NIGHTSCOUT_SITE: the id 'demo' is kept for the demo site; choose another"
    assert "kept for the demo site" in message(listing([entry(id="demo")]))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("nightscout_token", TOKEN),
        ("nightscout_api_secret", SECRET),
        ("nightscout_time_zone", "Europe/Berlin"),
        ("nightscout_targets", "standard"),
        ("nightscout_units", "mg/dL"),
        ("nightscout_device_status", False),
    ],
)
def test_companions_without_the_url_do_not_load_the_demo_site(
    new_settings: Callable[..., Settings], setting: str, value: str
) -> None:
    assert message(new_settings(**{setting: value})).startswith("NIGHTSCOUT_URL is missing")


# ------------------------------------------------------------------------------------------- sites.yaml


def test_listed_sites(listing: Callable[[Any], Settings]) -> None:
    moved = [{"zone": "Europe/London"}, {"zone": "America/New_York", "from": date(2024, 5, 1)}]
    ben = {
        "id": "ben",
        "connection": "nightscout_ben",
        "zones": moved,
        "targets": "pregnancy",
        "units": "mmol/L",
        "device_status": True,
    }
    assert configured_sites(listing([entry(), ben]), connection) == (
        Site("anna", "https://nightscout_anna.example", BERLIN, Credentials(token=TOKEN)),
        Site(
            "ben",
            "https://nightscout_ben.example",
            (ZoneValidity("Europe/London"), ZoneValidity("America/New_York", date(2024, 5, 1))),
            Credentials(token=TOKEN),
            "pregnancy",
            display_units="mmol/L",
            device_status=True,
        ),
    )


def test_device_status_is_read_where_it_is_asked_for(
    new_settings: Callable[..., Settings], listing: Callable[[Any], Settings]
) -> None:
    always = (Collection.ENTRIES, Collection.TREATMENTS, Collection.PROFILES)
    one = {"nightscout_url": "https://ns.example", "nightscout_time_zone": "Europe/Berlin"}
    (plain,) = configured_sites(new_settings(**one))
    (asking,) = configured_sites(new_settings(**one, nightscout_device_status=True))
    assert plain.collections == always
    assert asking.collections == (*always, Collection.DEVICE_STATUS)
    listed = configured_sites(listing([entry(), entry(id="ben", device_status=True)]), connection)
    assert [site.collections for site in listed] == [always, asking.collections]


def test_the_example_is_valid() -> None:
    sites = read_sites_file(PROJECT / "include" / "sites.example.yaml")
    assert [site.site_id for site in sites] == ["anna", "ben"]
    assert sites[1].zones[1] == ZoneValidity("America/New_York", date(2024, 5, 1))


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ("", "must be a list"),
        ("[]", "must be a list"),
        ("sites: [a]", "must be a list"),
        ("- id: [", "is no YAML at line"),
        ("- {id: anna, connection: c, zones: [{zone: UTC}, {zone: UTC, from: 2024-13-45}]}", "is no YAML"),
        (
            "- {id: anna, connection: c, zones: [{zone: UTC}, {zone: UTC, from: 2024-05-01 10:00:00}]}",
            "`from` must be a date",
        ),
        ("- !!python/object/apply:os.getcwd []", "is no YAML"),
        ("- anna", "entry 1 must have the fields id, connection"),
        ([entry(token=SECRET)], "unknown field token; known are id, connection, zone, zones, targets, units"),
        ([entry(zone="Europe/Berln")], "(anna): unknown time zone 'Europe/Berln'"),
        ([entry(), entry()], "lists anna more than once"),
        ([entry(connection=None)], "must name an Airflow connection"),
        ([entry(connection="https://anna.example")], "must name an Airflow connection"),
        ([entry(targets="strict")], "standard, older_or_high_risk, pregnancy"),
        ([entry(units="mmol")], "(anna): `units` must be one of mg/dL, mmol/L"),
        ([{"id": "anna", "connection": "c"}], "either `zone`, or `zones`"),
        ([entry(zones=[{"zone": "Asia/Tokyo"}])], "either `zone`, or `zones`"),
        ([entry(zone=None)], "must be the name of an IANA zone"),
        ([{"id": "anna", "connection": "c", "zones": "UTC"}], "must be a list of {zone, from}"),
        ([{"id": "anna", "connection": "c", "zones": []}], "exactly one zone"),
        ([{"id": "anna", "connection": "c", "zones": [{"zone": "UTC", "until": 1}]}], "unknown field until"),
        (
            [{"id": "anna", "connection": "c", "zones": [{"zone": "UTC"}, {"zone": "UTC", "from": "May"}]}],
            "`from` must be a date",
        ),
        (
            [{"id": "anna", "connection": "c", "zones": [{"zone": "UTC", "from": date(2024, 5, 1)}]}],
            "exactly one zone",
        ),
    ],
)
def test_listings_that_are_refused(listing: Callable[[Any], Settings], listed: Any, reason: str) -> None:
    said = message(listing(listed))
    assert reason in said
    assert "sites.yaml" in said
    assert SECRET not in said


def test_a_listed_url_with_a_secret_is_refused(listing: Callable[[Any], Settings]) -> None:
    settings = listing([entry()])
    (site,) = configured_sites(settings, lambda _: Fields(host=f"https://a:{SECRET}@anna.example"))
    assert str(site.problem).startswith("site anna, connection nightscout_anna holds a secret")
    assert SECRET not in repr(site)


def test_a_single_site_and_a_list_are_not_mixed(listing: Callable[[Any], Settings]) -> None:
    settings = listing([entry()]).model_copy(update={"nightscout_url": "https://ben.example"})
    assert "not both" in message(settings)


def test_an_unreadable_listing(tmp_path: Path, new_settings: Callable[..., Settings]) -> None:
    (tmp_path / "sites.yaml").mkdir()
    assert "cannot be read" in message(new_settings())


# ------------------------------------------------------------------------------------ Airflow connections


@pytest.mark.parametrize(
    ("value", "url", "credentials"),
    [
        (
            {"conn_type": "http", "host": "anna.example", "schema": "https", "password": TOKEN},
            "https://anna.example",
            Credentials(token=TOKEN),
        ),
        (
            {"conn_type": "http", "host": "anna.example", "port": 8443, "password": SECRET, "extra": {}},
            "https://anna.example:8443",
            Credentials(api_secret=SECRET),
        ),
        (
            {"conn_type": "http", "host": "http://10.0.0.2/ns", "port": "1337"},
            "http://10.0.0.2:1337/ns",
            Credentials(),
        ),
        (
            f"http://:{TOKEN}@anna.example:443/https",
            "https://anna.example:443",
            Credentials(token=TOKEN),
        ),
        (
            "http://login:a%2Fsecret%40home-1@anna.example",
            "https://anna.example",
            Credentials(api_secret="a/secret@home-1"),
        ),
        ("http://10.0.0.2:1337/http", "http://10.0.0.2:1337", Credentials()),
        ("http://https%3A%2F%2Fanna.example/", "https://anna.example", Credentials()),
    ],
)
def test_connections_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, value: Any, url: str, credentials: Credentials
) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    monkeypatch.setenv("AIRFLOW_CONN_NIGHTSCOUT_ANNA", text)
    assert site_address(demanded(environment_connection, "nightscout_anna")) == (url, credentials)


@pytest.mark.parametrize(
    ("password", "credentials"),
    [
        (TOKEN, Credentials(token=TOKEN)),
        ("-0123456789abcdef", Credentials(token="-0123456789abcdef")),  # a name without Latin letters
        ("lake-0123456789ABCDEF", Credentials(api_secret="lake-0123456789ABCDEF")),
        ("lake-0123456789abcde", Credentials(api_secret="lake-0123456789abcde")),
        ("0123456789abcdef0123", Credentials(api_secret="0123456789abcdef0123")),
        ("", Credentials()),
        (None, Credentials()),
    ],
)
def test_a_password_is_a_token_when_it_looks_like_one(password: str | None, credentials: Credentials) -> None:
    fields = Fields(host="anna.example", password=password)
    assert site_address(fields) == ("https://anna.example", credentials)


def test_a_listed_site_without_its_connection(
    listing: Callable[[Any], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_NIGHTSCOUT_ANNA", raising=False)
    (site,) = configured_sites(listing([entry()]))
    assert "set AIRFLOW_CONN_NIGHTSCOUT_ANNA" in str(site.problem)
    assert (site.site_id, site.zones, site.origin) == ("anna", BERLIN, "unknown")
    with pytest.raises(SettingsError, match="set AIRFLOW_CONN_NIGHTSCOUT_ANNA"), open_client(site):
        pass


def test_a_site_without_its_connection_does_not_stop_the_others(
    listing: Callable[[Any], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_NIGHTSCOUT_ANNA", raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_BEN", "https://ben.example")
    anna, ben = configured_sites(listing([entry(), entry(id="ben", connection="ben")]))
    assert anna.problem is not None
    assert (ben.problem, ben.url) == (None, "https://ben.example")


@pytest.mark.parametrize(
    "value",
    [
        '{"host": "anna.example", "password": "' + SECRET,
        '{"host": 7, "password": "' + SECRET + '"}',
        '{"host": "anna.example", "port": "x", "password": "' + SECRET + '"}',
        f"{SECRET}",
        f"http://:{SECRET}@anna.example:port/https",
    ],
)
def test_connections_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_C", value)
    with pytest.raises(SettingsError, match="neither the JSON nor the URI form") as caught:
        environment_connection("c")
    assert SECRET not in str(caught.value)
