"""The forms of an answer: JSON, tab- or comma-separated text, not modified, and Nightscout's errors."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from html import escape
from typing import Any

from include.nightscout.demo.versions import Document
from include.nightscout.windows import EPOCH

SEPARATORS = {"text/plain": "\t", "text/tab-separated-values": "\t", "text/csv": ","}
COLUMNS = ("dateString", "date", "sgv", "direction", "device")
EXTENSIONS = {
    ".json": "application/json",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".html": "text/html",
}


@dataclass(frozen=True)
class Answer:
    """What goes back over the wire."""

    status: int
    content_type: str
    body: bytes
    last_modified: str | None = None


def as_json(content: Any, status: int = 200, last_modified: str | None = None) -> Answer:
    """JSON as Nightscout writes it: no blanks, no escapes that are not needed."""
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status, "application/json; charset=utf-8", body, last_modified)


def as_page(content: str, status: int = 200) -> Answer:
    """A page for people."""
    return Answer(status, "text/html; charset=utf-8", content.encode())


def as_error(status: int, message: str, description: Any) -> Answer:
    """An error of API v1."""
    return as_json({"status": status, "message": message, "description": description}, status)


def not_found(method: str, path: str) -> Answer:
    """A path that nobody serves gets a page, not JSON."""
    return as_page(f"<!DOCTYPE html>\n<title>Error</title>\n<pre>Cannot {method} {escape(path)}</pre>\n", 404)


def as_entries(documents: list[Document], accept: str, if_modified_since: str | None) -> Answer:
    """Entries in the form asked for. Who accepts anything gets tab-separated text without a header."""
    newest = _instant(documents[0].get("date")) if documents else None
    if newest and is_not_older(if_modified_since, newest):
        return Answer(304, "", b"", http_date(newest))
    modified = http_date(newest) if newest else None
    form = _preferred(accept, [*SEPARATORS, "application/json"])
    if form in SEPARATORS:
        lines = (SEPARATORS[form].join(_cell(document, name) for name in COLUMNS) for document in documents)
        return Answer(200, f"{form}; charset=utf-8", "\r\n".join(lines).encode(), modified)
    return as_json(documents, last_modified=modified)


def as_treatments(documents: list[Document], if_modified_since: str | None) -> Answer:
    """Treatments: JSON whatever the caller accepts."""
    newest = max((datetime.fromisoformat(each["created_at"]) for each in documents), default=None)
    if newest and is_not_older(if_modified_since, newest):
        return Answer(304, "", b"", http_date(newest))
    return as_json(documents, last_modified=http_date(newest) if newest else None)


def _cell(document: Document, name: str) -> str:
    """A value in JSON; nothing when the field is missing, an empty text when it is null."""
    if name not in document:
        return ""
    value = document[name]
    return json.dumps("" if value is None else value, ensure_ascii=False)


def _preferred(accept: str, offered: list[str]) -> str:
    """The first offer of the first range that matches one; JSON when none does."""
    for media_range in accept.split(","):
        wanted = media_range.split(";")[0].strip()
        for form in offered:
            if wanted in ("*/*", form, f"{form.split('/')[0]}/*"):
                return form
    return "application/json"


def _instant(date: Any) -> datetime | None:
    return EPOCH + timedelta(milliseconds=date) if isinstance(date, int | float) else None


def http_date(instant: datetime) -> str:
    """`Fri, 18 Oct 2024 23:59:59 GMT`."""
    return format_datetime(instant.replace(microsecond=0), usegmt=True)


def is_not_older(if_modified_since: str | None, newest: datetime) -> bool:
    """Whether the caller's copy is as new as the newest reading; a backfill is thereby missed, as ever."""
    if if_modified_since is None:
        return False
    try:
        return newest <= parsedate_to_datetime(if_modified_since)
    except (TypeError, ValueError):
        return False
