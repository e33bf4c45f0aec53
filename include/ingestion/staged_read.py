"""What is known about one staged answer: the content of its manifest."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from include.nightscout.windows import Window

_DAYS = re.compile(r"-(2\d{7})T\d{9}Z-(2\d{7})T\d{9}Z--")  # in the name of a read; not of one from 1970 on


@dataclass(frozen=True)
class StagedRead:
    """One answer, as its manifest describes it. `checksum` is the SHA-256 of `documents.parquet`.

    `window` is what was read (kind `window`), or the window that missed the document `document_id`
    (kind `look_up`). `fetched_at` was taken before the request was sent.
    """

    read_id: str
    window: Window
    kind: str
    origin: str
    request: str
    fetched_at: datetime
    document_count: int
    checksum: str
    run_id: str
    branch: str
    document_id: str | None = None

    def as_json(self) -> str:
        """The text of the manifest."""
        plain = asdict(self) | {"window": self.window.as_dict(), "fetched_at": self.fetched_at.isoformat()}
        return json.dumps(plain, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "StagedRead":
        """The read a manifest describes. Raises ValueError, KeyError or TypeError when it is none."""
        plain: dict[str, Any] = json.loads(text)
        window = Window.from_dict(plain.pop("window"))
        fetched_at = datetime.fromisoformat(plain.pop("fetched_at"))
        return cls(window=window, fetched_at=fetched_at, **plain)


@dataclass(frozen=True)
class DamagedRead:
    """A staged answer whose manifest cannot be read: what its folder is called, and what to do about it."""

    site_id: str
    collection: str
    read_id: str
    reason: str


def read_id_of(window: Window, branch: str, document_id: str | None = None) -> str:
    """The name of a read: the same window (or look-up) on the same branch is read once.

    It names the site and collection too: it is the key of `raw.ingest_outcomes`, and another site's
    outcome for the same hours must never make this read look merged.
    """
    if document_id is None:
        return f"{window.site_id}-{window.collection}-{window.key}--{branch}"
    digest = hashlib.sha256(document_id.encode()).hexdigest()[:16]
    return f"{window.site_id}-{window.collection}-lookup-{digest}--{branch}"


def advice_if_damaged(path: str) -> str:
    """What to do about a damaged file of a read. The days are UTC's, at most one more than the site's own."""
    days = _DAYS.search(path)
    if days is None:
        return "remove the folder, the next run reads the window again"
    first, last = map(date.fromisoformat, days.groups())
    return (
        "remove the folder, the next run reads the window again, or, if it is older than HEAL_DAYS,"
        f" make run START={first} END={last}"
    )
