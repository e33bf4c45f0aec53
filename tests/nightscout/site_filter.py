"""What the filter of a site selects: what the client and the merge are held against."""

from typing import Any

from include.nightscout.windows import Collection, Window, iso_milliseconds, milliseconds


def selects(window: Window, document: dict[str, Any]) -> bool:
    """Whether the request of `window` selects this document.

    Entries: `date` is a JSON number (true and false are none) of epoch milliseconds, and
    start <= date < end. Treatments: `created_at` is text, compared as text with the bounds in the form
    `YYYY-MM-DDTHH:MM:SS.mmmZ`. A document of any other shape is selected by no window. Profiles: every one,
    since they are read whole.
    """
    if window.collection is Collection.PROFILES:
        return True
    if window.collection is Collection.ENTRIES:
        date = document.get("date")
        if not isinstance(date, int | float) or isinstance(date, bool):
            return False
        return milliseconds(window.start) <= date < milliseconds(window.end)
    created_at = document.get("created_at")
    if not isinstance(created_at, str):
        return False
    return iso_milliseconds(window.start) <= created_at < iso_milliseconds(window.end)
