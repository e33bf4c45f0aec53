"""How Nightscout turns `find` into a query of its database: what it converts, rewrites and adds."""

import re
from collections.abc import Iterator
from math import isnan, nan
from typing import Any

from include.nightscout.demo.condition import LISTS, OPERATORS, Condition, QueryError, parse_instant
from include.nightscout.demo.days import timestamp_text
from include.nightscout.demo.parameters import WHOLE_NUMBER
from include.nightscout.demo.versions import HOUR_MS, OBJECT_ID, Document, ObjectId

DEFAULT_WINDOW_MS = 4 * 24 * HOUR_MS

WHOLE_NUMBERS = {
    "entries": {"date", "sgv", "filtered", "unfiltered", "rssi", "noise", "mbg"},
    "treatments": {"insulin", "carbs", "glucose"},
    "devicestatus": set[str](),
}
PATTERNS = {
    "entries": set[str](),
    "treatments": {"notes", "eventType", "enteredBy"},
    "devicestatus": set[str](),
}
DATE_FIELD = {"entries": "date", "treatments": "created_at", "devicestatus": "created_at"}

PATTERN = re.compile(r"/(.*)/(.*)")


def conditions(collection: str, find: dict[str, Any], now: float) -> list[Condition]:
    """What the database is asked for: values converted, and the last four days when nothing says when.

    Raises QueryError where Nightscout throws: an operator nobody knows, a date nobody can read.
    """
    found = [
        _condition(collection, name, operator, value)
        for name, wanted in find.items()
        for operator, value in (wanted.items() if isinstance(wanted, dict) else [("$eq", wanted)])
    ]
    if not {DATE_FIELD[collection], "dateString", "_id"} & find.keys():
        found.append(since(collection, now - DEFAULT_WINDOW_MS))
    return found


def since(collection: str, milliseconds: float) -> Condition:
    """Everything from an instant on, by the collection's own date field."""
    field = DATE_FIELD[collection]
    return Condition(field, "$gte", milliseconds if field == "date" else timestamp_text(milliseconds))


def _condition(collection: str, name: str, operator: str, value: Any) -> Condition:
    if operator not in OPERATORS:
        raise QueryError(f"unknown operator {operator}")
    if operator in LISTS and not isinstance(value, list):
        raise QueryError(f"{operator} needs a list")
    if name == "created_at" == DATE_FIELD[collection]:
        return Condition(name, operator, _utc_text(value, is_range=operator != "$eq"))
    if name == "_id":
        return Condition(name, operator, _identifier(value))
    bound = [_convert(collection, name, each) for each in value] if isinstance(value, list) else value
    if isinstance(bound, str):
        bound = _convert(collection, name, bound)
    if name == "date" and isinstance(bound, float) and isnan(bound):
        raise QueryError("a date that is no number")
    return Condition(name, operator, bound)


def _convert(collection: str, name: str, value: str) -> Any:
    """JavaScript's parseInt for the numbers, a pattern where Nightscout looks for one, else the text."""
    if name in WHOLE_NUMBERS[collection]:
        found = WHOLE_NUMBER.match(value)
        return int(found[0]) if found else nan
    pattern = PATTERN.search(value) if name in PATTERNS[collection] else None
    if pattern:
        return re.compile(pattern[1], re.IGNORECASE if "i" in pattern[2] else 0)
    return value


def _identifier(value: Any) -> Any:
    """24 hexadecimal digits become an ObjectId, except in a list (as 0.12.8 has it).

    So a document whose `_id` is stored as text is found by a list only, and all others never by a list:
    a client that asks in one way alone misses some.
    """
    return ObjectId(value) if isinstance(value, str) and OBJECT_ID.fullmatch(value) else value


def _utc_text(value: Any, is_range: bool) -> str:
    """A bound of `created_at` as Nightscout rewrites it; epoch milliseconds stay the text they are."""
    if not isinstance(value, str):
        raise QueryError("a list of dates")
    if value.isdigit():
        return value
    instant = parse_instant(value.replace(" ", "+", 1))
    if instant is None or not is_range:  # a plain value is taken apart letter by letter, and fails
        raise QueryError(f"cannot parse {value} as a date")
    return timestamp_text(instant)


def select(asked: list[Condition], found: Iterator[Document]) -> Iterator[Document]:
    """The documents that fulfil every condition, in the order they came."""
    return (document for document in found if all(condition.selects(document) for condition in asked))
