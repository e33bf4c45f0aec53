"""Reading a collection: default counts, default order, the cache in memory, and the database behind it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from include.nightscout.demo.condition import reach
from include.nightscout.demo.documents import as_answered
from include.nightscout.demo.parameters import WHOLE_NUMBER, Parameters, limit_of, sort_order
from include.nightscout.demo.query import conditions, select, since
from include.nightscout.demo.versions import HOUR_MS, Document

Archive = Callable[[str, float, float, float], Iterator[Document]]
"""(collection, earliest, latest, now) in epoch milliseconds to the stored documents, newest first.

It may answer with more than lies between earliest and latest: they are hints.
"""

MEMORY_MS = 48 * HOUR_MS


def read(collection: str, parameters: Parameters, archive: Archive, now: float) -> list[Document]:
    """What a call for a collection answers. Raises QueryError where the database would refuse it."""
    asked = replace(parameters, count=parameters.count or _default_count(collection, parameters))
    cached = _from_memory(collection, asked, archive, now)
    return from_database(collection, asked, archive, now) if cached is None else cached


def from_database(collection: str, parameters: Parameters, archive: Archive, now: float) -> list[Document]:
    """The same past the cache; the count must be given. Raises QueryError as `read` does."""
    limit, order = limit_of(parameters.count), sort_order(parameters.sort)
    asked = conditions(collection, parameters.find, now)
    found = select(asked, archive(collection, *reach(asked), now))
    for name, is_descending in reversed(order):
        found = iter(_sorted(found, name, is_descending))
    answer = [as_answered(collection, document) for document in islice(found, limit)]
    return _sorted(answer, "date", is_descending=True) if collection == "entries" else answer


def _default_count(collection: str, parameters: Parameters) -> str:
    if collection != "treatments":
        return "10"
    return "1000" if parameters.find else "100"


def _from_memory(
    collection: str, parameters: Parameters, archive: Archive, now: float
) -> list[Document] | None:
    """The answer of the cache of the last two days, None when it does not serve such a call.

    It serves entries of a type, or anything without a filter, when it holds as many as asked for. Its
    entries have a field more than the database's, and it takes a count of 0, or below, at its word.
    """
    if collection == "entries":
        is_served = parameters.find.keys() <= {"type"}
    else:
        is_served = not parameters.find and not parameters.sort
    if not is_served or not WHOLE_NUMBER.fullmatch(parameters.count):
        return None
    count = int(parameters.count)
    asked = [since(collection, now - MEMORY_MS)]
    recent = select(asked, archive(collection, *reach(asked), now))
    held = [document for document in recent if _is_of_type(document, parameters.find.get("type"))]
    if count > len(held):
        return None
    taken = [as_answered(collection, document) for document in held[: max(count, 0)]]
    if collection == "entries":
        return [{**document, "mills": document["date"]} for document in taken]
    return taken


def _is_of_type(document: Document, wanted: Any) -> bool:
    if wanted is None:
        return True
    return wanted in document if wanted in ("sgv", "mbg") else wanted == "cal" == document.get("type")


def _sorted(found: Iterable[Document], name: str, is_descending: bool) -> list[Document]:
    return sorted(found, key=lambda document: _rank(document.get(name)), reverse=is_descending)


def _rank(value: Any) -> tuple[int, Any]:
    """The database's order across types: nothing, then numbers, then text."""
    if value is None:
        return 0, 0
    return (2, value) if isinstance(value, str) else (1, value)


def count_entries(parameters: Parameters, archive: Archive, now: float) -> list[Document]:
    """The counting call: one group, or no group at all when nothing matches or nothing says when."""
    if not {"date", "dateString", "_id"} & parameters.find.keys():
        return []  # its default window compares the number `date` with a text, which matches nothing
    asked = conditions("entries", parameters.find, now)
    total = sum(1 for _ in select(asked, archive("entries", *reach(asked), now)))
    return [{"_id": None, "count": total}] if total else []
