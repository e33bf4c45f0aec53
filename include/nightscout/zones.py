"""The local days of a site: where each starts, in the IANA zone that holds on that day.

Days tile: every instant belongs to exactly one day, also where clocks change at midnight, where a zone
skips a whole day, and where the site moves to another zone.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from include.errors import SettingsError

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class ZoneValidity:
    """An IANA zone and the first local day on which it holds; None: since ever."""

    zone: str
    valid_from: date | None = None


def check_zones(zones: tuple[ZoneValidity, ...], setting: str) -> tuple[ZoneValidity, ...]:
    """The zones, oldest first. `setting` is what a message calls them.

    Raises SettingsError when a zone is unknown, when none or several hold since ever, or when two
    start on the same day.
    """
    for validity in zones:
        if not is_known(validity.zone):
            raise SettingsError(f"{setting}: {_unknown(validity.zone)}")
    if sum(validity.valid_from is None for validity in zones) != 1:
        raise SettingsError(f"{setting}: exactly one zone, the first, must have no `from` date")
    days = [validity.valid_from for validity in zones]
    if len(set(days)) < len(days):
        raise SettingsError(f"{setting}: two zones start on the same day")
    return tuple(sorted(zones, key=lambda validity: validity.valid_from or date.min))


def is_known(zone: str) -> bool:
    """Whether this is the name of an IANA zone; the leap-second and machine-local variants are not."""
    if zone.startswith(("posix/", "right/")) or zone == "localtime":
        return False
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _unknown(zone: str) -> str:
    """What to say about a name that is no zone, with the nearest names that are."""
    by_lower_case = {name.lower(): name for name in available_timezones()}
    near = [by_lower_case[name] for name in get_close_matches(zone.lower(), by_lower_case, n=3)]
    hint = f"; did you mean {' or '.join(near)}?" if near else ", such as Europe/Berlin"
    return f"unknown time zone {zone!r}: use a name of the IANA database{hint}"


def zone_on(zones: tuple[ZoneValidity, ...], day: date) -> str:
    """The zone that holds on a local day; `zones` are oldest first, as `check_zones` returns them."""
    return [validity.zone for validity in zones if (validity.valid_from or date.min) <= day][-1]


def day_start(zones: tuple[ZoneValidity, ...], day: date) -> datetime:
    """The first instant, in UTC, of a local day.

    A zone takes effect when its valid-from date starts in the new zone. The day before it then has more
    or fewer hours; after a jump over the date line it has none, and starts where the next one does.
    """
    changes = ((validity.zone, validity.valid_from) for validity in zones)
    later_starts = [_midnight(zone, start) for zone, start in changes if start is not None and start > day]
    return min([_midnight(zone_on(zones, day), day), *later_starts])


def day_end(zones: tuple[ZoneValidity, ...], day: date) -> datetime:
    """The first instant, in UTC, after a local day: the start of the next one."""
    return day_start(zones, day + DAY)


def local_date(zones: tuple[ZoneValidity, ...], instant: datetime) -> date:
    """The local day that holds an aware instant: the one day with day_start <= instant < day_end."""
    zone = ZoneInfo(zone_on(zones, instant.astimezone(UTC).date()))
    day = instant.astimezone(zone).date() - DAY  # a day early, so that the search goes one way
    while instant >= day_end(zones, day):
        day += DAY
    return day


def split_days(
    zones: tuple[ZoneValidity, ...], first: date, last: date, days: int = 31
) -> list[tuple[datetime, datetime]]:
    """The local days first to last, both included, as half-open chunks of at most `days` days, in UTC."""
    chunks = []
    day = first
    while day <= last:
        next_day = min(day + days * DAY, last + DAY)
        chunks.append((day_start(zones, day), day_start(zones, next_day)))
        day = next_day
    return [(start, end) for start, end in chunks if start < end]


def _midnight(zone: str, day: date) -> datetime:
    """The first instant, in UTC, at which clocks in `zone` show `day` or a later date."""
    midnight = datetime.combine(day, time.min, ZoneInfo(zone))
    instant = midnight.astimezone(UTC)
    if instant.astimezone(midnight.tzinfo).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    return _end_of_gap(midnight, day)


def _end_of_gap(midnight: datetime, day: date) -> datetime:
    """The instant of the clock change that skips `midnight`.

    The offsets before and after the change give one instant late and one early; the change lies between
    (they differ from it unless it happens at midnight sharp).
    """
    late, early = midnight.astimezone(UTC), midnight.replace(fold=1).astimezone(UTC)
    while late - early > SECOND:
        middle = early + (late - early) // SECOND // 2 * SECOND
        if middle.astimezone(midnight.tzinfo).date() >= day:
            late = middle
        else:
            early = middle
    return late
