"""The demo site's documents: a pure function of the local day and of now."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from functools import lru_cache

from include.nightscout.demo.days import FIRST_DAY, ONE_DAY, day_end, day_start, days_back, local_day
from include.nightscout.demo.device_status import device_status_versions
from include.nightscout.demo.entries import entry_versions
from include.nightscout.demo.profiles import profiles
from include.nightscout.demo.treatments import treatment_versions
from include.nightscout.demo.versions import SECOND_MS, Document, Version
from include.nightscout.windows import milliseconds

VERSIONS: dict[str, Callable[[date], Iterable[Version]]] = {
    "entries": entry_versions,
    "treatments": treatment_versions,
    "devicestatus": device_status_versions,
}
DAYS_KEPT = 100


@lru_cache(maxsize=len(VERSIONS) * DAYS_KEPT)
def _versions(collection: str, day: date) -> tuple[Version, ...]:
    return tuple(VERSIONS[collection](day))


def newest_first(collection: str, earliest: float, latest: float, now: float) -> Iterator[Document]:
    """The documents shown at `now` whose instant lies in [earliest, latest], newest first, day by day.

    Instants are epoch milliseconds; the ends may be infinite. The documents are shared: do not change
    them. Nothing lies before FIRST_DAY or after `now`. Raises KeyError for an unknown collection.
    """
    if collection == "profile":
        held = profiles(datetime.fromtimestamp(now / SECOND_MS, UTC))
        yield from (profile for profile in held if earliest <= profile["mills"] <= latest)
        return
    start = max(earliest, day_start(FIRST_DAY) * SECOND_MS)
    end = min(latest, now)
    if start > end:
        return
    for day in days_back(local_day(end), local_day(start)):
        yield from _shown(collection, day, start, end, now)


def _shown(collection: str, day: date, start: float, end: float, now: float) -> list[Document]:
    """One local day, newest first. The next day is asked too: what it wrote down may have moved here."""
    start = max(start, day_start(day) * SECOND_MS)
    before = day_end(day) * SECOND_MS
    found = [
        version
        for each in (day, day + ONE_DAY)
        for version in _versions(collection, each)
        if start <= version.instant <= end and version.instant < before and version.is_shown(now)
    ]
    found.sort(key=lambda version: (version.instant, version.document["_id"]), reverse=True)
    return [version.document for version in found]


def documents(collection: str, start: datetime, end: datetime, now: datetime) -> list[Document]:
    """What the demo site holds at `now` for the window [start, end), newest first; the caller owns it.

    `collection` is "entries", "treatments" or "devicestatus"; the instants are aware. The answer is settled
    48 hours after the end: it is the same for every later `now`.
    """
    earliest, before = milliseconds(start), milliseconds(end)
    return [
        as_answered(collection, document)
        for document in newest_first(collection, earliest, before, milliseconds(now))
        if _instant(document) < before
    ]


def as_answered(collection: str, document: Document) -> Document:
    """A copy as API v1 writes it: a treatment always has `carbs` and `insulin`, null when it has none."""
    if collection == "treatments":
        return {**document, "carbs": document.get("carbs"), "insulin": document.get("insulin")}
    return dict(document)


def _instant(document: Document) -> float:
    if "date" in document:
        return float(document["date"])
    return milliseconds(datetime.fromisoformat(document["created_at"]))
