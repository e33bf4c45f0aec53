"""What is asked of a site, as path and query, and whether an answer can be one to that question."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from include.nightscout.windows import Collection, Window, iso_milliseconds, milliseconds

OBJECT_ID = re.compile(r"[0-9a-f]{24}")  # as a site writes them, always in lower case
LOOK_UP_COUNT = 10


def path_of(collection: Collection) -> str:
    """The path of a collection; without `.json` a site answers tab-separated text."""
    return f"/api/v1/{collection.value}.json"


def whole_request(collection: Collection, count: int) -> str:
    """Asks for at most `count` documents of a collection, whenever they are from."""
    return f"{path_of(collection)}?count={count}"


def window_request(window: Window, count: int) -> str:
    """Asks for at most `count` documents of a window."""
    field = f"find[{window.collection.filter_field}]"
    start, end = window.collection.filter_bound(window.start), window.collection.filter_bound(window.end)
    return f"{path_of(window.collection)}?{field}[$gte]={start}&{field}[$lt]={end}&count={count}"


def older_request(collection: Collection, before: datetime) -> str:
    """Asks for one document from before an instant."""
    bound = collection.filter_bound(before)
    return f"{path_of(collection)}?find[{collection.filter_field}][$lt]={bound}&count=1"


def look_up_requests(collection: Collection, document_id: str) -> list[str]:
    """Asks for the document with this `_id`, in each form that may find it.

    A site turns `find[_id]` into an ObjectId, and so finds no `_id` that is stored as text; `$in` is not
    turned and finds only those. An id that cannot be an ObjectId is asked in the second form alone, since
    the first is an error of the site then.
    """
    forms = ["find[_id][$in][]"]
    if OBJECT_ID.fullmatch(document_id):
        forms.insert(0, "find[_id]")
    wanted = quote(document_id, safe="")
    return [f"{path_of(collection)}?{form}={wanted}&count={LOOK_UP_COUNT}" for form in forms]


def contradicts(
    document: dict[str, Any], collection: Collection, start: datetime | None, end: datetime
) -> bool:
    """Whether a document cannot be an answer to `start <= date < end`, so that the site ignores the filter.

    Only a date that lies outside in every reading proves that: a number for entries, for treatments text
    that is outside both as text and as the instant it names. `start` None: no lower bound.
    """
    if collection is Collection.ENTRIES:
        date = document.get("date")
        if not isinstance(date, int | float) or isinstance(date, bool):
            return False
        return date >= milliseconds(end) or (start is not None and date < milliseconds(start))
    created_at = document.get("created_at")
    if not isinstance(created_at, str):
        return False
    if created_at < iso_milliseconds(end) and (start is None or created_at >= iso_milliseconds(start)):
        return False
    instant = _instant(created_at)
    return instant is None or instant >= end or (start is not None and instant < start)


def _instant(created_at: str) -> datetime | None:
    """The instant that a text names, in UTC when it says nothing else; None when it names none."""
    try:
        instant = datetime.fromisoformat(created_at)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
