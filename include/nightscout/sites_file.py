"""sites.yaml: the list of sites of a clinic or a study. It names connections; it never holds a secret."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_args

import yaml

from include.errors import SettingsError
from include.glucose import UnitName
from include.nightscout.zones import ZoneValidity, check_zones
from include.settings import DEMO_SITE, TargetSet

SITE_ID = re.compile(r"[a-z][a-z0-9_-]{0,39}")
TARGET_SETS: tuple[TargetSet, ...] = get_args(TargetSet)
UNITS: tuple[UnitName, ...] = get_args(UnitName)


FIELDS = ("id", "connection", "zone", "zones", "targets", "units", "device_status")


@dataclass(frozen=True)
class SiteEntry:
    """One site as listed: its Airflow connection is named, not yet resolved."""

    site_id: str
    connection: str
    zones: tuple[ZoneValidity, ...]
    target_set: TargetSet
    display_units: UnitName
    device_status: bool = False


def check_site_id(site_id: object, setting: str) -> str:
    """The id, when it is one. Raises SettingsError that starts with `setting`."""
    if not isinstance(site_id, str) or not SITE_ID.fullmatch(site_id):
        raise SettingsError(
            f"{setting}: {site_id!r} is no site id: use at most 40 lower-case letters, digits, _ and -, "
            "starting with a letter"
        )
    if site_id == DEMO_SITE:
        raise SettingsError(f"{setting}: the id {DEMO_SITE!r} is kept for the demo site; choose another")
    return site_id


def read_sites_file(path: Path) -> tuple[SiteEntry, ...]:
    """The listed sites, in the order of the file. Raises SettingsError naming the file and the entry."""
    try:
        listed = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path} is no YAML{line}") from None
    if not isinstance(listed, list) or not listed:
        raise SettingsError(f"{path} must be a list with at least one site, as in sites.example.yaml")
    entries = tuple(_entry(listed_site, f"{path}, entry {n}") for n, listed_site in enumerate(listed, 1))
    ids = [entry.site_id for entry in entries]
    if duplicates := sorted({site_id for site_id in ids if ids.count(site_id) > 1}):
        raise SettingsError(f"{path} lists {', '.join(duplicates)} more than once")
    return entries


def _entry(listed: Any, where: str) -> SiteEntry:
    fields = _fields(listed, FIELDS, where)
    site_id = check_site_id(fields.get("id"), f"{where}, id")
    where = f"{where} ({site_id})"
    connection = fields.get("connection")
    if not isinstance(connection, str) or not re.fullmatch(r"[\w.-]+", connection):
        raise SettingsError(f"{where}: `connection` must name an Airflow connection")
    target_set = fields.get("targets", "standard")
    if target_set not in TARGET_SETS:
        raise SettingsError(f"{where}: `targets` must be one of {', '.join(TARGET_SETS)}")
    display_units = fields.get("units", "mg/dL")
    if display_units not in UNITS:
        raise SettingsError(f"{where}: `units` must be one of {', '.join(UNITS)}")
    device_status = fields.get("device_status", False)
    if not isinstance(device_status, bool):
        raise SettingsError(f"{where}: `device_status` must be true or false")
    return SiteEntry(site_id, connection, _zones(fields, where), target_set, display_units, device_status)


def _zones(fields: dict[str, Any], where: str) -> tuple[ZoneValidity, ...]:
    if ("zone" in fields) == ("zones" in fields):
        raise SettingsError(f"{where}: give either `zone`, or `zones` with the dates from which they hold")
    listed = fields.get("zones", [{"zone": fields.get("zone")}])
    if not isinstance(listed, list):
        raise SettingsError(f"{where}: `zones` must be a list of {{zone, from}}")
    return check_zones(tuple(_zone(listed_zone, where) for listed_zone in listed), where)


def _zone(listed: Any, where: str) -> ZoneValidity:
    fields = _fields(listed, ("zone", "from"), where)
    zone = fields.get("zone")
    if not isinstance(zone, str):
        raise SettingsError(f"{where}: `zone` must be the name of an IANA zone, such as Europe/Berlin")
    valid_from = fields.get("from")
    if valid_from is not None and (not isinstance(valid_from, date) or isinstance(valid_from, datetime)):
        raise SettingsError(f"{where}: `from` must be a date, such as 2024-05-01")
    return ZoneValidity(zone, valid_from)


def _fields(listed: Any, known: tuple[str, ...], where: str) -> dict[str, Any]:
    """The entry as a mapping with known keys only: a misspelled key must not be silently without effect."""
    if not isinstance(listed, dict):
        raise SettingsError(f"{where} must have the fields {', '.join(known)}")
    if unknown := [str(key) for key in listed if key not in known]:
        raise SettingsError(f"{where}: unknown field {', '.join(unknown)}; known are {', '.join(known)}")
    return listed
