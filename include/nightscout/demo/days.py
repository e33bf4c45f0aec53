"""The person's calendar: local days of a zone with daylight saving, and instants in epoch seconds."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from include.nightscout.windows import EPOCH, iso_milliseconds

DEMO_ZONE = "Europe/Berlin"
FIRST_DAY = date(2020, 1, 1)

MINUTE = 60
HOUR = 60 * MINUTE

ZONE = ZoneInfo(DEMO_ZONE)
ONE_DAY = timedelta(days=1)


@lru_cache(maxsize=1024)
def day_start(day: date) -> int:
    """Epoch seconds of the first instant of a local day."""
    return int(datetime.combine(day, time(), ZONE).timestamp())


def day_end(day: date) -> int:
    """Epoch seconds at which the next local day starts: 23, 24 or 25 hours later."""
    return day_start(day + ONE_DAY)


def at_clock(day: date, hour: float) -> float:
    """Epoch seconds at which the person's clock shows `hour` (7.5 is 07:30) on a local day."""
    wall = datetime.combine(day, time(), ZONE) + timedelta(hours=hour)
    return wall.timestamp()


def clock_hour(instant: float) -> float:
    """What the person's clock shows at an instant, in hours since its midnight."""
    wall = datetime.fromtimestamp(instant, ZONE)
    return wall.hour + wall.minute / 60 + wall.second / 3600


def local_day(milliseconds: float) -> date:
    """The local day that holds an instant given in epoch milliseconds."""
    return (EPOCH + timedelta(milliseconds=milliseconds)).astimezone(ZONE).date()


def days_back(latest: date, earliest: date) -> Iterator[date]:
    """Local days from `latest` down to `earliest`, both included."""
    for ordinal in range(latest.toordinal(), earliest.toordinal() - 1, -1):
        yield date.fromordinal(ordinal)


def timestamp_text(milliseconds: float) -> str:
    """An instant as Nightscout writes it: UTC, cut to milliseconds, ending in Z."""
    return iso_milliseconds(EPOCH + timedelta(milliseconds=int(milliseconds)))
