"""How numbers, days and times are written for people. Only here the report rounds what is no glucose."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from include.report.rounding import rounded, rounded_change

MISSING = "\N{EN DASH}"
DAY_MINUTES = 1440


def percent(share_pct: float | None) -> str:
    """A share in whole percent, as AGP reports write it; what is not nothing never reads 0 %."""
    if share_pct is None:
        return MISSING
    if 0 < share_pct < 1:
        return "<1 %"
    if 99 < share_pct < 100:
        return ">99 %"
    return f"{rounded(share_pct)} %"


def decimal(value: float | None, unit: str = "") -> str:
    """A number with one decimal and its unit."""
    return MISSING if value is None else f"{rounded(value, 1)}{unit and f' {unit}'}"


def points(change_pct: float) -> str:
    """A change of a share, in whole points."""
    return rounded_change(change_pct)


def time_a_day(share_pct: float | None) -> str:
    """The share as time of a whole day: 70 % is 16 h 48 min."""
    return MISSING if share_pct is None else duration(share_pct / 100 * DAY_MINUTES)


def duration(minutes: float | None) -> str:
    """Minutes as hours and minutes."""
    if minutes is None:
        return MISSING
    hours, rest = divmod(int(rounded(minutes)), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def day(of: date) -> str:
    """15 Oct 2024"""
    return f"{of.day} {of:%b %Y}"


def day_of_week(of: date) -> str:
    """Tue 15 Oct"""
    return f"{of:%a} {of.day} {of:%b}"


def days(first: date, last: date) -> str:
    """2 Oct 2024 to 15 Oct 2024"""
    return day(first) if first == last else f"{day(first)} to {day(last)}"


def local_time(of: datetime) -> str:
    """Tue 15 Oct, 14:05; of a wall time."""
    return f"{day_of_week(of)}, {of:%H:%M}"


def instant(of: datetime, zone: str) -> str:
    """15 Oct 2024, 14:05, on the clock of a zone."""
    wall = of.astimezone(ZoneInfo(zone))
    return f"{day(wall)}, {wall:%H:%M}"
