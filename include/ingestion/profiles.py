"""What a profile document says: which of its named profiles holds, and the basal rates of that one.

Nightscout keeps named profiles under `store`, of which `defaultProfile` holds. The oldest documents have no
`store`: they are one profile themselves. A document of which little can be read still ends the one before it,
so a rate that it does not say is unknown, never that of another profile.
"""

from typing import Any

import orjson

from include.ingestion.values import Document, number, word

DAY_SECONDS = 86_400
_UNKNOWN = {"start_seconds": 0, "units_per_hour": None}


def profile_name(document: Document) -> str | None:
    """Name of the stored profile that holds: the default, else the only one there is."""
    store = document.get("store")
    if not isinstance(store, dict):
        return None
    default = document.get("defaultProfile")
    if isinstance(default, str) and default in store:
        return word(default)
    return word(next(iter(store))) if len(store) == 1 else None


def glucose_units(document: Document) -> str | None:
    """Unit of targets and sensitivities: of the profile that holds, else of the document."""
    return word(_held(document).get("units") or document.get("units"))


def profile_zone(document: Document) -> str | None:
    """Time zone that the profile that holds names, as sent."""
    return word(_held(document).get("timezone"))


def basal_schedule(document: Document) -> str:
    """JSON array of `{start_seconds, units_per_hour}`: seconds after midnight, ascending from 0; U/h or null.

    Of two segments with one start the later one counts. A schedule whose starts cannot be read is unknown.
    """
    return orjson.dumps(_segments(document)[0]).decode()


def unreadable_basal(document: Document) -> str | None:
    """`basal` when a part of the schedule is unknown, else None."""
    return None if _segments(document)[1] else "basal"


def _held(document: Document) -> Document:
    """The named profile that holds; the document itself when it is of the oldest form; else empty."""
    store = document.get("store")
    if store is None:
        return document
    name = profile_name(document)
    held = store[name] if isinstance(store, dict) and name in store else None
    return held if isinstance(held, dict) else {}


def _segments(document: Document) -> tuple[list[dict[str, Any]], bool]:
    """The segments, and whether all of the day is known."""
    basal = _held(document).get("basal")
    if isinstance(basal, int | float | str) and (rate := _rate(basal)) is not None:
        return [{"start_seconds": 0, "units_per_hour": rate}], True
    if not isinstance(basal, list) or not all(isinstance(segment, dict) for segment in basal):
        return [_UNKNOWN], False
    rates: dict[int, float | None] = {0: None}
    for segment in basal:
        start = _start_seconds(segment)
        if start is None:
            return [_UNKNOWN], False
        rates[start] = _rate(segment.get("value"))
    segments = [{"start_seconds": start, "units_per_hour": rates[start]} for start in sorted(rates)]
    return segments, None not in rates.values()


def _start_seconds(segment: Document) -> int | None:
    """Nightscout takes `time` (HH:MM) before `timeAsSeconds`, and so do we."""
    hours, _, minutes = str(segment.get("time") or "").partition(":")
    if hours.isdecimal() and minutes[:2].isdecimal():
        seconds: float | None = int(hours) * 3600 + int(minutes[:2]) * 60
    else:
        seconds = number(segment.get("timeAsSeconds"))
    return int(seconds) if seconds is not None and 0 <= seconds < DAY_SECONDS else None


def _rate(value: Any) -> float | None:
    rate = number(value)
    return rate if rate is not None and rate >= 0 else None
