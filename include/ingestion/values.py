"""What a single value of a document means: numbers, instants and words, whatever an uploader made of them."""

from datetime import UTC, datetime, timedelta
from math import floor, isfinite
from typing import Any

import orjson

Document = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_MILLISECOND = 253402300799999  # the end of year 9999
_INT32 = 2**31
_LONGEST_ID = 512


def number(value: Any) -> float | None:
    """A JSON number, or text that holds one; None for everything else, NaN and infinity included."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, str) and "_" in value:  # Python's own digit grouping, nobody else's
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None


def json_number(value: Any) -> float | None:
    """A JSON number; None for text that holds one."""
    return None if isinstance(value, str) else number(value)


def integer(value: Any) -> int | None:
    """A whole number of 32 bits, cut off like the server does; None where there is none."""
    found = number(value)
    return int(found) if found is not None and -_INT32 <= found < _INT32 else None


def word(value: Any) -> str | None:
    """Text as it is, without characters that Postgres cannot hold; other values as JSON text."""
    if value is None:
        return None
    try:
        found = value if isinstance(value, str) else orjson.dumps(value).decode()
        found.encode()
    except (TypeError, UnicodeEncodeError):  # what cannot be stored is quarantined with its whole document
        return None
    return found.replace("\0", "") if "\0" in found else found


def identifier(value: Any) -> str | None:
    """An `_id` that can be a key: text of 1 to 512 characters; 24 hexadecimal digits or any other form."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID or "\0" in value:
        return None
    return word(value)


def microseconds(value: Any) -> int | None:
    """An instant in microseconds since 1970, cut off: from epoch milliseconds or ISO 8601 (naive is UTC)."""
    if isinstance(value, str) and value[4:5] == "-":
        return _from_iso(value)
    milliseconds = number(value)
    if milliseconds is None or not 0 <= milliseconds <= _LAST_MILLISECOND:
        return None
    return floor(milliseconds * 1000)


def _from_iso(value: str) -> int | None:
    try:
        found = datetime.fromisoformat(value)
        instant = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        return (instant - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):  # the latter: an offset leads out of the years 1 to 9999
        return None
