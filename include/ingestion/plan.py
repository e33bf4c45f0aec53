"""Which windows a run reads: decided from the request, the lease's time and main's outcomes alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from include.errors import InputError
from include.ingestion.spans import Span
from include.nightscout.windows import (
    DAY_COLLECTIONS,
    EPOCH,
    MILLISECOND,
    Collection,
    Window,
    milliseconds,
)
from include.nightscout.zones import ZoneValidity, day_end, day_start, local_date, split_days
from include.settings import Settings

DAY = timedelta(days=1)
FIRST_DAY = date(2000, 1, 1)  # nothing older is accepted from a site

Whole = Mapping[tuple[str, Collection], Sequence[Span]]


class PlannedSite(Protocol):
    """What planning needs to know about a site."""

    @property
    def site_id(self) -> str: ...

    @property
    def collections(self) -> tuple[Collection, ...]: ...

    @property
    def zones(self) -> tuple[ZoneValidity, ...]: ...


@dataclass(frozen=True)
class RunRequest:
    """What a run was started for: a range of days, or the day it is keyed to, or (neither) the open day.

    `is_scheduled`: the scheduler made it, not a person or a backfill.
    Raises InputError when both or half a range are given, when the range ends before it starts, or when
    it starts before 2000.
    """

    first_day: date | None = None
    last_day: date | None = None
    key: date | None = None
    is_scheduled: bool = False

    def __post_init__(self) -> None:
        first, last = self.first_day, self.last_day
        if (first is None) != (last is None):
            raise InputError("half a range was given: set both its first and its last day")
        if first is not None and self.key is not None:
            raise InputError("a range and a single day were given: leave one of them out")
        if first is not None and last is not None and last < first:
            raise InputError(f"the range ends ({last}) before it starts ({first}): swap the two days")
        earliest = first or self.key
        if earliest is not None and earliest < FIRST_DAY:
            raise InputError(f"{earliest} lies before {FIRST_DAY}: choose a later day, nothing older is kept")


def plan_windows(
    sites: Sequence[PlannedSite],
    request: RunRequest,
    taken_at: datetime,
    whole: Whole,
    settings: Settings,
) -> list[Window]:
    """The windows to read, by site, collection and time: half-open, at most 31 local days each; of a
    collection that is read whole, one from 1970 until now.

    None ends after `taken_at`, when the lease was taken. `whole` is what windows merged on main cover, per
    site and collection, disjoint and ascending (`Outcomes.whole`). Raises InputError when all that was
    asked for lies in the future.
    """
    now = EPOCH + milliseconds(taken_at) * MILLISECOND  # windows are cut to whole milliseconds
    windows = []
    for site in sites:
        for collection in site.collections:
            together: tuple[Collection, ...] = DAY_COLLECTIONS
            if collection not in DAY_COLLECTIONS and not collection.is_read_whole:
                together = (collection,)  # what is whole of the others says nothing about it
            first, last = _days(site, request, now, whole, settings, together)
            chunks = split_days(site.zones, first, min(last, local_date(site.zones, now)))
            spans = [(start, min(end, now)) for start, end in chunks if start < now]
            if spans and collection.is_read_whole:
                spans = [(EPOCH, now)]
            windows += [Window(site.site_id, collection, start, end) for start, end in spans]
    if sites and not windows:
        raise InputError(f"{_asked(request)} lies in the future: choose a day that has begun")
    return windows


def _days(
    site: PlannedSite,
    request: RunRequest,
    now: datetime,
    whole: Whole,
    settings: Settings,
    collections: Sequence[Collection],
) -> tuple[date, date]:
    """First and last local day to read of these collections; a last day after today stands for now."""
    if request.first_day is not None and request.last_day is not None:
        return request.first_day, request.last_day
    today = local_date(site.zones, now)
    key = request.key or today
    first = key - timedelta(days=settings.lookback_days) if request.is_scheduled or not request.key else key
    if request.key and not _is_open(request.key, now):
        return first, key
    if request.is_scheduled or not request.key:
        first = min(first, _first_day_to_heal(site, now, whole, settings.heal_days, collections))
    return min(first, today), today


def _is_open(key: date, now: datetime) -> bool:
    """Whether a run of this key reads up to now: the current or the previous UTC date."""
    today = now.astimezone(UTC).date()
    return today - DAY <= key <= today


def _first_day_to_heal(
    site: PlannedSite, now: datetime, whole: Whole, heal_days: int, collections: Sequence[Collection]
) -> date:
    """The first local day, at most `heal_days` back, that is not whole in each collection; else today."""
    today = local_date(site.zones, now)
    day = today - timedelta(days=heal_days)
    while day < today and is_whole(site.site_id, site.zones, day, whole, collections):
        day += DAY
    return day


def is_whole(
    site_id: str,
    zones: tuple[ZoneValidity, ...],
    day: date,
    whole: Whole,
    collections: Sequence[Collection],
) -> bool:
    """Whether windows merged on main cover all of the site's local day, in each of these collections."""
    start, end = day_start(zones, day), day_end(zones, day)
    if start == end:  # skipped by a jump over the date line
        return True
    return all(
        any(span_start <= start and end <= span_end for span_start, span_end in whole.get(of, ()))
        for of in ((site_id, collection) for collection in collections)
    )


def _asked(request: RunRequest) -> str:
    if request.first_day is not None:
        return f"the range {request.first_day} to {request.last_day}"
    return f"the day {request.key}"
