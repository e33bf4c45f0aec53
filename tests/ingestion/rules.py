"""What the design demands of a merge, written down once more: one document after the other, in plain dicts.

It shares no code with the merge but the filter of a window, and is compared with it by property.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from include.ingestion.collection_merge import Limits
from include.nightscout.windows import Window
from tests.ingestion.model import FILTER_FIELD, Document, FakeSite
from tests.nightscout.site_filter import selects


@dataclass
class Known:
    """The last accepted version of a document."""

    payload: Document
    deleted_at: datetime | None
    ingested_at: datetime
    first_seen_at: datetime


@dataclass(frozen=True)
class Answered:
    """A staged read as the model sees it."""

    read_id: str
    window: Window
    is_window: bool
    is_own: bool
    fetched_at: datetime
    documents: tuple[Document, ...]


@dataclass
class Outcome:
    known: dict[str, Known]
    set_aside: set[str] = field(default_factory=set)
    kept: int = 0
    tombstoned: set[str] = field(default_factory=set)


class LeftOutByTheRules(Exception):  # noqa: N818 (a verdict, not a fault)
    pass


def is_bad(document: Document) -> bool:
    """The only quarantined documents of these tests: a reading that is no number, an instant that is none."""
    for name in ("created_at", "startDate"):
        if name in document:
            return document[name].endswith("99")
    return not isinstance(document["sgv"], int | float)


def merge_by_the_rules(
    known: dict[str, Known],
    reads: Iterable[Answered],
    site: FakeSite,
    limits: Limits,
    merged: Sequence[tuple[Window, datetime]] = (),
) -> Outcome:
    """`merged`: windows merged before, and when they were fetched. Raises LeftOutByTheRules."""
    ordered = sorted(reads, key=lambda read: (read.is_own, read.fetched_at, read.read_id))
    aside: set[str] = set()
    while True:
        outcome, culprits = _attempt(copy.deepcopy(known), ordered, aside, site, limits, merged)
        if not culprits:
            outcome.set_aside = aside
            return outcome
        aside |= culprits


def _attempt(
    known: dict[str, Known],
    ordered: list[Answered],
    aside: set[str],
    site: FakeSite,
    limits: Limits,
    merged: Sequence[tuple[Window, datetime]],
) -> tuple[Outcome, set[str]]:
    outcome = Outcome(known)
    looked_up: set[str] = set()
    unchecked: list[Answered] = []
    reads = [read for read in ordered if read.read_id not in aside]
    for number, read in enumerate(reads):
        newer = reads[number + 1 :]
        missing, kept, is_over = _missing(known, read, looked_up, site, limits, merged)
        if is_over:
            if not any(other.is_window and other.window.contains(read.window) for other in newer):
                inside = {other.read_id for other in unchecked if read.window.contains(other.window)}
                if inside:
                    return outcome, inside
                if read.is_own:
                    raise LeftOutByTheRules
                return outcome, {read.read_id}
            unchecked.append(read)
            missing, kept = [], 0
        outcome.kept += kept
        unknown = [each for each in missing if not any(_has(other, each) for other in newer)]
        there = site.documents[read.window.collection]
        elsewhere = [there[each] for each in unknown if each in there]
        for document in read.documents:
            _take(known, document, read.fetched_at, read.is_own)
        for identifier in set(unknown) - set(there):
            known[identifier].deleted_at = read.fetched_at
            outcome.tombstoned.add(identifier)
        for document in elsewhere:
            _take(known, document, site.clock.now, True)
            if not is_bad(document):
                looked_up.add(document["_id"])
    return outcome, set()


def _has(read: Answered, identifier: str) -> bool:
    return any(document["_id"] == identifier for document in read.documents)


def _missing(
    known: dict[str, Known],
    read: Answered,
    looked_up: set[str],
    site: FakeSite,
    limits: Limits,
    merged: Sequence[tuple[Window, datetime]],
) -> tuple[list[str], int, bool]:
    """Ids to look up, how many more the site pruned, and whether the answer is over a limit."""
    if not read.is_window:
        return [], 0, False
    bad = sum(is_bad(document) for document in read.documents)
    if bad > 12 and bad / len(read.documents) * 100 > limits.max_quarantine_pct:
        return [], 0, True
    expected = {
        identifier
        for identifier, version in known.items()
        if version.deleted_at is None
        and selects(read.window, version.payload)
        and identifier not in looked_up
        and (read.is_own or version.ingested_at <= read.fetched_at)
    }
    missing = expected - {document["_id"] for document in read.documents}
    kept: set[str] = set()
    if missing and not site.has_older(read.window.collection, read.window.start):
        name = FILTER_FIELD[read.window.collection]
        values = [document[name] for document in read.documents]
        kept = {each for each in missing if not values or known[each].payload[name] < min(values)}
    doubtful = set() if read.is_own else _doubtful(known, read, merged)
    if doubtful and not site.has_older(read.window.collection, read.window.start):
        doubtful = set()
    missing, expected = (missing - kept) | doubtful, (expected - kept) | doubtful
    is_over = len(missing) > 12 and len(missing) / len(expected) * 100 > limits.max_missing_pct
    return sorted(missing), len(kept), is_over


def _doubtful(known: dict[str, Known], read: Answered, merged: Sequence[tuple[Window, datetime]]) -> set[str]:
    """Documents of an old answer that newer answers should have had: as they were or as they would be."""
    newer = [window for window, fetched_at in merged if fetched_at > read.fetched_at]
    after, doubtful = dict(known), set()
    for identifier, document in {each["_id"]: each for each in read.documents if not is_bad(each)}.items():
        before = after.get(identifier)
        _take(after, document, read.fetched_at, is_own=False)
        is_written = after[identifier] is not before
        places = [document] + ([before.payload] if before and before.deleted_at is None else [])
        is_contradicted = any(selects(window, place) for window in newer for place in places)
        if is_written and is_contradicted and after[identifier].deleted_at is None:
            doubtful.add(identifier)
    return doubtful


def _take(known: dict[str, Known], document: Document, fetched_at: datetime, is_own: bool) -> None:
    if is_bad(document):
        return
    identifier, is_valid = document["_id"], document.get("isValid") is not False
    before = known.get(identifier)
    if before is None:
        known[identifier] = Known(document, None if is_valid else fetched_at, fetched_at, fetched_at)
        return
    changed_at = max(before.ingested_at, before.deleted_at or before.ingested_at)
    if not is_own and changed_at > fetched_at:
        return
    if before.payload == document and (before.deleted_at is None) == is_valid:
        return
    deleted_at = None if is_valid else before.deleted_at or fetched_at
    known[identifier] = Known(document, deleted_at, fetched_at, before.first_seen_at)
