"""Which call of API v1 goes where. The site may be read by everybody and written by nobody."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from include.nightscout.demo.answers import (
    EXTENSIONS,
    Answer,
    as_entries,
    as_error,
    as_json,
    as_page,
    as_treatments,
    not_found,
)
from include.nightscout.demo.condition import QueryError
from include.nightscout.demo.days import DEMO_ZONE
from include.nightscout.demo.parameters import Parameters, limit_of, parse_parameters
from include.nightscout.demo.reads import Archive, count_entries, from_database, read
from include.nightscout.demo.versions import OBJECT_ID
from include.nightscout.windows import iso_milliseconds, milliseconds

API = "/api/v1/"
ALWAYS_EMPTY = ("food", "activity")

LINKS = (
    "entries.json",
    "entries/sgv.json?count=288",
    "treatments.json",
    "profile.json",
    "status.json",
    "entries.json?find[date][$gte]=1728943200000&find[date][$lt]=1729029600000&count=100000",
)


@dataclass(frozen=True)
class Call:
    """A GET: path and query as they came, and what the headers say."""

    path: str
    query: str
    accept: str
    if_modified_since: str | None
    now: datetime
    archive: Archive

    @property
    def now_ms(self) -> int:
        """The call's now in epoch milliseconds."""
        return milliseconds(self.now)


def respond(call: Call) -> Answer:
    """The answer to a GET."""
    if call.path == "/":
        return _front_page()
    if not call.path.startswith(API):
        return not_found("GET", call.path)
    resource, accept = _without_extension(call.path.removeprefix(API).strip("/"), call.accept)
    parameters = parse_parameters(call.query)
    match resource.split("/"):
        case ["entries", *rest] if len(rest) < 2:
            return _entries(call, parameters, accept, rest[0] if rest else None)
        case ["treatments" | "devicestatus"]:
            return _treatments(call, parameters, resource)
        case ["count", "entries", "where"]:
            return _count(call, parameters)
        case ["profile"] | ["profile", "current"] | ["profiles"]:
            return _profiles(call, parameters, resource)
        case ["status"]:
            return _status(call, accept)
        case ["verifyauth"]:
            return as_json({"status": 200, "message": _permissions()})
        case [name] if name in ALWAYS_EMPTY:
            return as_json([])
    return not_found("GET", call.path)


def refuse_write() -> Answer:
    """What a readable site says to whoever writes without a secret."""
    return as_error(401, "Unauthorized", "Invalid/Missing")


def _without_extension(resource: str, accept: str) -> tuple[str, str]:
    """An extension counts more than the Accept header."""
    for extension, media_type in EXTENSIONS.items():
        if resource.endswith(extension):
            return resource.removesuffix(extension), media_type
    return resource, accept


def _entries(call: Call, parameters: Parameters, accept: str, spec: str | None) -> Answer:
    """All entries, those of a type, the newest one, or the one with an `_id`."""
    is_by_id = spec is not None and OBJECT_ID.fullmatch(spec) is not None
    try:
        if spec == "current":
            found = from_database("entries", Parameters(count="1"), call.archive, call.now_ms)
        elif is_by_id:
            found = from_database("entries", Parameters({"_id": spec}, count="1"), call.archive, call.now_ms)
        else:
            wanted = replace(parameters, find={**parameters.find, "type": spec}) if spec else parameters
            found = read("entries", wanted, call.archive, call.now_ms)
    except QueryError as error:
        return as_error(500, "Mongo Error", str(error))
    if is_by_id and not found:
        return as_error(500, "Mongo Error", f"No such id: '{spec}'")
    return as_entries(found, accept, call.if_modified_since)


def _treatments(call: Call, parameters: Parameters, collection: str) -> Answer:
    """Treatments or device status; an error of the database is swallowed: nothing, with status 200."""
    try:
        found = read(collection, parameters, call.archive, call.now_ms)
    except QueryError:
        return as_json(None)
    if collection == "devicestatus":
        return as_json(found)
    return as_treatments(found, call.if_modified_since)


def _profiles(call: Call, parameters: Parameters, resource: str) -> Answer:
    """All profiles, ten when no count says otherwise; a filter is ignored, as by the real server."""
    if resource == "profiles":
        return as_json([])  # the last four days of them
    held = list(call.archive("profile", 0, call.now_ms, call.now_ms))
    if resource == "profile/current":
        return as_json(held[0] if held else {})
    try:
        return as_json(held[: limit_of(parameters.count or "10")])
    except QueryError as error:
        return as_error(500, "Mongo Error", str(error))


def _count(call: Call, parameters: Parameters) -> Answer:
    try:
        return as_json(count_entries(parameters, call.archive, call.now_ms))
    except QueryError as error:
        return as_error(500, "Mongo Error", str(error))


def _status(call: Call, accept: str) -> Answer:
    if "application/json" not in accept:
        return as_page("<h1>STATUS OK</h1>")
    return as_json(
        {
            "status": "ok",
            "name": "Nightscout demo site",
            "version": "15.0.7",
            "serverTime": iso_milliseconds(call.now),
            "serverTimeEpoch": call.now_ms,
            "apiEnabled": True,
            "careportalEnabled": True,
            "boluscalcEnabled": False,
            "settings": {"units": "mg/dl", "timeFormat": 24, "customTitle": "Demo", "enable": ["careportal"]},
            "extendedSettings": {"profile": {"timezone": DEMO_ZONE}},
            "authorized": None,
            "runtimeState": "loaded",
        }
    )


def _permissions() -> dict[str, Any]:
    return {
        "canRead": True,
        "canWrite": False,
        "isAdmin": False,
        "message": "UNAUTHORIZED",
        "rolefound": "NOTFOUND",
        "permissions": "DEFAULT",
    }


def _front_page() -> Answer:
    items = "".join(f'<li><a href="{API}{link}">{API}{link}</a></li>' for link in LINKS)
    return as_page(
        f"<!DOCTYPE html><title>Demo site</title><h1>Demo site</h1><p>Simulated data.</p><ul>{items}</ul>"
    )
