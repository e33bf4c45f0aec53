"""Documents of a site, as JSON text, to typed columns. Nothing is judged here; `validate` does that."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
import polars as pl

from include.ingestion.device_status import AMOUNTS, amount, loop_state, unreadable_amounts, value_at
from include.ingestion.profile_switches import switched_schedule
from include.ingestion.profiles import (
    basal_schedule,
    glucose_units,
    profile_name,
    profile_zone,
    unreadable_basal,
)
from include.ingestion.values import (
    Document,
    identifier,
    integer,
    json_number,
    microseconds,
    number,
    word,
)
from include.nightscout.windows import Collection
from include.schemas.received import RECEIVED

VOLATILE_FIELDS = frozenset({"mills"})  # answers from the server's cache have it, others do not
INSTANT_FIELDS: dict[str, tuple[str, ...]] = {
    Collection.ENTRIES: ("date", "dateString", "sysTime", "created_at"),
    Collection.TREATMENTS: ("created_at", "timestamp", "date", "eventTime", "sysTime"),
    Collection.PROFILES: ("startDate", "mills", "date", "created_at"),
    Collection.DEVICE_STATUS: ("created_at", "date", "mills"),
}

_Reader = Callable[[Document], Any]
_EXACT_INTEGERS = 2.0**63
_UNCHANGED = (str, int, bool, type(None))


@dataclass(frozen=True)
class ReadDocument:
    """A document, its hash, and what makes it unusable as a whole; empty where it is no object at all."""

    document: Document
    content_hash: str
    problem: str | None = None
    is_object: bool = True


def read_document(text: str) -> ReadDocument:
    """Parse one document. What JSON or Arrow cannot hold is a `problem`, never an exception."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _read_leniently(text)
    if not isinstance(found, dict):
        return _no_object(text, f"not a JSON object but {_kind(found)}")
    try:
        return ReadDocument(found, content_hash(found))
    except (TypeError, RecursionError):
        return ReadDocument(found, _hash(text), "contains what cannot be stored: nested too deep")


def content_hash(document: Document) -> str:
    """SHA-256 that is equal for equal documents: whatever the order of fields, 1 or 1.0, cached or not."""
    plain = {
        name: value if type(value) in _UNCHANGED else _canonical(value)
        for name, value in document.items()
        if name not in VOLATILE_FIELDS
    }
    return sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()


def documents_frame(collection: str, texts: Sequence[str]) -> pl.DataFrame:
    """One row a document, in order, with the columns that `include.schemas.received` describes
    but those that are about the read (`site_id`, `fetched_at`)."""
    read = [read_document(text) for text in texts]
    documents = [one.document for one in read]
    schema = RECEIVED[collection].columns
    columns = {
        "row_number": pl.Series(range(len(texts)), dtype=pl.Int64),
        "payload": pl.Series(texts, dtype=pl.String),
        "content_hash": pl.Series([one.content_hash for one in read], dtype=pl.String),
        "problem": pl.Series([one.problem for one in read], dtype=pl.String),
        "is_object": pl.Series([one.is_object for one in read], dtype=pl.Boolean),
    }
    for name, reader in _READERS[collection].items():
        dtype = schema[name].dtype.type
        values = [reader(document) for document in documents]
        is_instant = isinstance(dtype, pl.Datetime)
        columns[name] = (
            pl.Series(values, dtype=pl.Int64).cast(dtype) if is_instant else pl.Series(values, dtype=dtype)
        )
    return pl.DataFrame(columns)


def _read_leniently(text: str) -> ReadDocument:
    """Python's parser takes NaN and lone surrogates, so that a reason can name them and the _id survives."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        nested = isinstance(error, RecursionError)
        return _no_object(text, "nested too deep to be read" if nested else "not valid JSON")
    if not isinstance(found, dict):
        return _no_object(text, f"not a JSON object but {_kind(found)}")
    return ReadDocument(found, _hash(text), f"contains what cannot be stored: {_unstorable(found)}")


def _unstorable(document: Document) -> str:
    try:
        json.dumps(document, allow_nan=False)
    except RecursionError:
        return "nested too deep"
    except ValueError:
        return "NaN or infinity"
    return "half a character (a lone surrogate)"


def _no_object(text: str, problem: str) -> ReadDocument:
    return ReadDocument({}, _hash(text), problem, is_object=False)


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"a {type(value).__name__}"


def _canonical(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT_INTEGERS else value
    if isinstance(value, dict):
        return {name: _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    return value


def _field(read: Callable[[Any], Any], name: str) -> _Reader:
    return lambda document: read(document.get(name))


def _instant(collection: str) -> _Reader:
    names = INSTANT_FIELDS[collection]

    def read(document: Document) -> int | None:
        for name in names:
            found = microseconds(document.get(name))
            if found is not None:
                return found
        return None

    return read


def _unreadable(*names: str) -> _Reader:
    """Names of fields that should hold a number and hold something else."""

    def read(document: Document) -> str | None:
        found = [
            name
            for name in names
            if (value := document.get(name)) is not None and value != "" and number(value) is None
        ]
        return ", ".join(found) or None

    return read


def _disagreement(document: Document) -> float | None:
    """Hours between `date` and `dateString`, where both can be read."""
    date = microseconds(document.get("date"))
    if date is None:
        return None
    stated = microseconds(document.get("dateString"))
    return None if stated is None else abs(date - stated) / 3.6e9


def _duration_minutes(document: Document) -> float | None:
    """AAPS sends whole minutes and, exactly, milliseconds; what was edited since are the minutes."""
    minutes = number(document.get("duration"))
    milliseconds = number(document.get("durationInMilliseconds"))
    if milliseconds is None or (minutes is not None and abs(milliseconds / 60_000 - minutes) >= 1):
        return minutes
    return milliseconds / 60_000


def _is_valid(document: Document) -> bool:
    return document.get("isValid") is not False


_READERS: dict[str, dict[str, _Reader]] = {
    Collection.ENTRIES: {
        "_id": _field(identifier, "_id"),
        "type": _field(word, "type"),
        "sgv": _field(number, "sgv"),
        "mbg": _field(number, "mbg"),
        "date": _field(json_number, "date"),
        "date_string": _field(word, "dateString"),
        "reading_at": _instant(Collection.ENTRIES),
        "direction": _field(word, "direction"),
        "trend": _field(integer, "trend"),
        "device": _field(word, "device"),
        "noise": _field(integer, "noise"),
        "rssi": _field(integer, "rssi"),
        "utc_offset": _field(integer, "utcOffset"),
        "is_valid": _is_valid,
        "unreadable": _unreadable("sgv", "mbg"),
        "disagreement_hours": _disagreement,
    },
    Collection.TREATMENTS: {
        "_id": _field(identifier, "_id"),
        "event_type": _field(word, "eventType"),
        "created_at": _field(word, "created_at"),
        "treated_at": _instant(Collection.TREATMENTS),
        "insulin": _field(number, "insulin"),
        "carbs": _field(number, "carbs"),
        "glucose": _field(number, "glucose"),
        "units": _field(word, "units"),
        "duration_minutes": _duration_minutes,
        "absolute": _field(number, "absolute"),
        "rate": _field(number, "rate"),
        "percent": _field(number, "percent"),
        "basal_schedule": switched_schedule,
        "entered_by": _field(word, "enteredBy"),
        "is_valid": _is_valid,
        "unreadable": _unreadable("insulin", "carbs", "glucose", "duration", "absolute", "rate", "percent"),
    },
    Collection.PROFILES: {
        "_id": _field(identifier, "_id"),
        "start_date": _field(word, "startDate"),
        "valid_from_at": _instant(Collection.PROFILES),
        "default_profile": _field(word, "defaultProfile"),
        "profile_name": profile_name,
        "units": glucose_units,
        "zone": profile_zone,
        "basal_schedule": basal_schedule,
        "entered_by": _field(word, "enteredBy"),
        "is_valid": _is_valid,
        "unreadable": unreadable_basal,
    },
    Collection.DEVICE_STATUS: {
        "_id": _field(identifier, "_id"),
        "created_at": _field(word, "created_at"),
        "reported_at": _instant(Collection.DEVICE_STATUS),
        "device": _field(word, "device"),
        "loop_state": loop_state,
        "failure_reason": lambda document: word(value_at(document, "loop", "failureReason")),
        **{name: amount(name) for name in AMOUNTS},
        "is_valid": _is_valid,
        "unreadable": unreadable_amounts,
    },
}
