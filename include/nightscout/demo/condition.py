"""One comparison of a query, and what it tells about when the wanted documents lie."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from operator import ge, gt, le, lt
from typing import Any

from include.nightscout.demo.versions import HOUR_MS, Document, ObjectId, arrival_of
from include.nightscout.windows import milliseconds

ID_SLACK_MS = 48 * HOUR_MS
TEXT_SLACK_MS = 24 * HOUR_MS

ORDER: dict[str, Callable[[Any, Any], bool]] = {"$gte": ge, "$gt": gt, "$lte": le, "$lt": lt}
LISTS = {"$in", "$nin"}
OPERATORS = {*ORDER, *LISTS, "$eq", "$ne", "$exists", "$regex"}


class QueryError(Exception):
    """The database, or the code before it, would refuse this query."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a query."""

    field: str
    operator: str
    bound: Any

    def selects(self, document: Document) -> bool:
        """Whether a stored document fulfils it; values of different types are never in order or equal."""
        value = document.get(self.field)
        if self.operator in ORDER:
            return _kind(value) == _kind(self.bound) and ORDER[self.operator](value, self.bound)
        match self.operator:
            case "$eq":
                return _equal(value, self.bound)
            case "$ne":
                return not _equal(value, self.bound)
            case "$in":
                return any(_equal(value, each) for each in self.bound)
            case "$nin":
                return not any(_equal(value, each) for each in self.bound)
            case "$exists":
                return self.field in document  # "false" arrives as text, and text counts as true
            case "$regex":
                return isinstance(value, str) and re.search(self.bound, value) is not None
        raise QueryError(f"unknown operator {self.operator}")


def _kind(value: Any) -> str:
    """The type bracket of the database: a number, a text and an ObjectId never meet."""
    if isinstance(value, ObjectId):
        return "id"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


def _equal(value: Any, bound: Any) -> bool:
    if isinstance(bound, re.Pattern):
        return isinstance(value, str) and bound.search(value) is not None
    return _kind(value) == _kind(bound) and bool(value == bound)


def parse_instant(text: str) -> int | None:
    """Epoch milliseconds of an ISO 8601 text, UTC where it names no offset; None when it is none."""
    if re.fullmatch(r"\d{4}-\d{2}", text):
        text += "-01"
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return milliseconds(aware)


def reach(asked: list[Condition]) -> tuple[float, float]:
    """From when to when (epoch milliseconds) a document that fulfils the conditions can lie: a hint."""
    earliest, latest = -inf, inf
    for condition in asked:
        start, end = _reach_of_one(condition)
        earliest, latest = max(earliest, start), min(latest, end)
    return earliest, latest


def _reach_of_one(condition: Condition) -> tuple[float, float]:
    bounds = condition.bound if isinstance(condition.bound, list) else [condition.bound]
    ranges = [_range_around(condition.field, bound) for bound in bounds]
    start = min((earliest for earliest, _ in ranges), default=-inf)
    end = max((latest for _, latest in ranges), default=inf)
    match condition.operator:
        case "$eq" | "$in":
            return start, end
        case "$gt" | "$gte":
            return start, inf
        case "$lt" | "$lte":
            return -inf, end
    return -inf, inf


def _range_around(name: str, bound: Any) -> tuple[float, float]:
    if name == "date" and isinstance(bound, int | float):
        return bound, bound
    if name == "_id":
        arrived = arrival_of(bound) if isinstance(bound, str) else None
        return (inf, -inf) if arrived is None else (arrived - ID_SLACK_MS, arrived + ID_SLACK_MS)
    instant = _milliseconds_or_none(bound) if name in {"created_at", "dateString"} else None
    return (-inf, inf) if instant is None else (instant - TEXT_SLACK_MS, instant + TEXT_SLACK_MS)


def _milliseconds_or_none(bound: Any) -> int | None:
    return parse_instant(bound) if isinstance(bound, str) and not bound.isdigit() else None
