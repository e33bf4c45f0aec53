"""What the site stores: documents that appear, change and vanish at known instants."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

Document = dict[str, Any]

NEVER = float("inf")
SECOND_MS = 1000
HOUR_MS = 3600 * SECOND_MS

OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")


class ObjectId(str):
    """An `_id` that the database made. To a query it is another type than the same characters as text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a document and when the site shows it, in epoch milliseconds, half-open."""

    instant: float
    shown_from: float
    shown_until: float
    document: Document

    def is_shown(self, now: float) -> bool:
        """Whether the site answers with this version at `now`."""
        return self.shown_from <= now < self.shown_until

    def deleted_at(self, when: float) -> "Version":
        """The same version, gone from `when` on."""
        return Version(self.instant, self.shown_from, when, self.document)

    def edited_at(
        self, when: float, instant: float | None = None, **changes: Any
    ) -> tuple["Version", "Version"]:
        """This version until `when`, and from then on the changed one."""
        moved = self.instant if instant is None else instant
        changed = Version(moved, when, self.shown_until, {**self.document, **changes})
        return self.deleted_at(when), changed


def document_id(kind: str, arrived: float) -> str:
    """24 hexadecimal digits: the second of arrival, as in a database's own ids, then a fingerprint."""
    fingerprint = sha256(f"{kind} {arrived}".encode()).hexdigest()
    return f"{int(arrived) // SECOND_MS:08x}{fingerprint[:16]}"


def arrival_of(identifier: str) -> int | None:
    """Epoch milliseconds of the arrival written into an id; None when no document_id has this form."""
    return int(identifier[:8], 16) * SECOND_MS if OBJECT_ID.fullmatch(identifier) else None


def plain_number(value: float, digits: int) -> float:
    """A rounded number as JavaScript writes it: 4, not 4.0."""
    rounded = round(value, digits)
    return int(rounded) if rounded.is_integer() else rounded
