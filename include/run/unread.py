"""Days that were not read and that no later run reads by itself, and the command that does."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from include.ingestion.plan import DAY, Whole, is_whole
from include.lakehouse import Reference
from include.nightscout.windows import DAY_COLLECTIONS, MILLISECOND, Collection, Window, utc_now
from include.nightscout.zones import ZoneValidity, day_start, local_date

if TYPE_CHECKING:
    from include.run.pipeline import Pipeline

Facts = dict[str, Any]
Zones = tuple[ZoneValidity, ...]


@dataclass(frozen=True)
class Hole:
    """Local days, both included, that are not whole in these collections."""

    first_day: date
    last_day: date
    collections: tuple[Collection, ...]


def failed_window(pipeline: "Pipeline", window: Mapping[str, str], reason: str) -> Facts:
    """The result of a window that could not be read, with the command that reads it where no run will."""
    asked = Window.from_dict(dict(window))
    zones, heal_days = pipeline.sites[asked.site_id].zones, pipeline.settings.heal_days
    return {**window, "failed": reason + _beyond_healing(asked, zones, utc_now(), heal_days)}


def _beyond_healing(window: Window, zones: Zones, now: datetime, heal_days: int) -> str:
    """What to add to the reason of a failed window that starts before what the next run looks back to."""
    healed_from = day_start(zones, local_date(zones, now) - timedelta(days=heal_days))
    if window.collection.is_read_whole or window.start >= healed_from:
        return ""
    first, last = local_date(zones, window.start), local_date(zones, window.end - MILLISECOND)
    return f"; older than HEAL_DAYS: read it again with {load_command(first, last)}"


def load_command(first_day: date, last_day: date) -> str:
    """What a person types to have these days read."""
    return f"make run START={first_day} END={last_day}"


def unread_days(main: Reference, whole: Whole, configured: Container[str] | None) -> list[Facts]:
    """A row a hole, of the configured sites (None: these cannot be known)."""
    return [
        {
            "site": site_id,
            "collections": ", ".join(hole.collections),
            "first_day": hole.first_day,
            "last_day": hole.last_day,
        }
        for site_id, zones in sorted(_zones(main).items())
        if configured is None or site_id in configured
        for hole in holes(site_id, zones, whole)
    ]


def holes(site_id: str, zones: Zones, whole: Whole) -> list[Hole]:
    """The stretches of days that are not whole in both collections, in order, from the first to the last day
    that is whole in one. `whole` is that of `Outcomes.whole`."""
    spans = [span for of in DAY_COLLECTIONS for span in whole.get((site_id, of), ())]
    if not spans:
        return []
    first = local_date(zones, min(start for start, _ in spans))
    last = local_date(zones, max(end for _, end in spans) - MILLISECOND)
    days = [first + number * DAY for number in range((last - first).days + 1)]
    missing = {day: _missing(site_id, zones, day, whole) for day in days}
    read = [day for day in days if missing[day] != DAY_COLLECTIONS]
    between = [day for day in days if read and read[0] <= day <= read[-1]]
    stretches = [(lacking, list(of)) for lacking, of in groupby(between, missing.__getitem__)]
    return [Hole(of[0], of[-1], lacking) for lacking, of in stretches if lacking]


def _missing(site_id: str, zones: Zones, day: date, whole: Whole) -> tuple[Collection, ...]:
    return tuple(of for of in DAY_COLLECTIONS if not is_whole(site_id, zones, day, whole, (of,)))


def _zones(main: Reference) -> dict[str, Zones]:
    """The zones of each site, oldest first, as main has them: settings may differ where it is asked."""
    columns = ("site_id", "zone", "valid_from")
    rows: Sequence[Facts] = main.table("sites").scan(selected_fields=columns).to_arrow().to_pylist()
    zones: dict[str, Zones] = {}
    for row in sorted(rows, key=lambda row: row["valid_from"]):
        validity = ZoneValidity(row["zone"], row["valid_from"])
        zones[row["site_id"]] = (*zones.get(row["site_id"], ()), validity)
    return zones
