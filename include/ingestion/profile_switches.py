"""The basal schedule that a profile switch puts in force.

AAPS puts the whole profile into the treatment (`profileJson`), as it is without the switch's own `percentage`
and `timeshift` (milliseconds, of which it takes the whole hours): the rate at a wall time t is that of
t - timeshift, times the percentage. Nightscout reads it in the same way.
"""

import math
from typing import Any

import orjson

from include.ingestion.profiles import DAY_SECONDS, basal_schedule
from include.ingestion.values import Document, number

_HOUR_MILLISECONDS = 3_600_000


def switched_schedule(document: Document) -> str | None:
    """JSON as `basal_schedule` gives it, percentage and time shift applied; None for any other treatment.

    Unknown are the rates of a switch that only names its profile, and those that AAPS 2 shifted in time
    (`CircadianPercentageProfile`): it shifted in the other direction, and Nightscout never did.
    """
    if str(document.get("eventType")).lower() != "profile switch":
        return None
    profile, factor, hours = _profile(document), _factor(document), _shift_hours(document)
    if factor is None or hours is None:
        profile = {}
    segments = orjson.loads(basal_schedule({"basal": profile.get("basal")}))
    return orjson.dumps(_shifted(segments, factor or 1, hours or 0)).decode()


def _shifted(segments: list[dict[str, Any]], factor: float, hours: int) -> list[dict[str, Any]]:
    rates = {
        (segment["start_seconds"] + hours * 3600) % DAY_SECONDS: segment["units_per_hour"]
        for segment in segments
    }
    rates.setdefault(0, rates[max(rates)])  # what runs over midnight
    return [
        {"start_seconds": start, "units_per_hour": None if rates[start] is None else rates[start] * factor}
        for start in sorted(rates)
    ]


def _profile(document: Document) -> Document:
    carried = document.get("profileJson")
    if isinstance(carried, str):
        try:
            carried = orjson.loads(carried)
        except orjson.JSONDecodeError:
            return {}
    return carried if isinstance(carried, dict) else {}


def _factor(document: Document) -> float | None:
    percentage = document.get("percentage")
    if percentage is None:
        return 1
    found = number(percentage)
    return found / 100 if found is not None and found > 0 else None


def _shift_hours(document: Document) -> int | None:
    shift = number(document.get("timeshift")) or 0
    if not shift:
        return 0
    return None if document.get("CircadianPercentageProfile") else math.trunc(shift / _HOUR_MILLISECONDS)
