"""Documents that should have been in an answer and were not: pruned, moved, or deleted at the site."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
import polars as pl

from include.ingestion.batch import BatchRead
from include.ingestion.outcomes import LOOK_UP
from include.ingestion.stage import Stage, StagedRead
from include.ingestion.state import Documents, State
from include.ingestion.validate import accepted_rows, quarantined_rows, validate
from include.nightscout.client import Answer
from include.nightscout.windows import Collection, Window

FEWEST_MISSING = 12  # this many never leave a site out, whatever their share


class Source(Protocol):
    """What the deletion rule asks a site. Each method raises SourceError."""

    def look_up(self, collection: Collection, document_id: str) -> Answer:
        """The document with this `_id`, wherever it is; no documents when there is none."""

    def has_older(self, collection: Collection, before: datetime) -> bool:
        """Whether the site has anything from before this instant."""


OpenSource = Callable[[str], AbstractContextManager[Source]]


@dataclass(frozen=True)
class Missing:
    """What an answer lacks. `documents` are to be looked up; `kept_count` more were pruned by the site.

    `expected_count` is what the answer should have had, without those that were pruned.
    """

    documents: Documents
    kept_count: int
    expected_count: int


NOTHING_MISSING = Missing(np.array([], np.int64), 0, 0)


def find_missing(
    state: State, one: BatchRead, present: Documents, has_older: Callable[[Window], bool]
) -> Missing:
    """What the answer of a window lacks, given what was known before it and the documents it has.

    `has_older` is asked only when something is missing. A site that has nothing older than the window
    prunes: then documents older than the oldest of the answer, or all when it is empty, are kept.
    """
    expected = state.expected(one.window, one.fetched_us, is_left_over=not one.is_own)
    missing = np.setdiff1d(expected, present)
    if not missing.size or has_older(one.window):
        return Missing(missing, 0, expected.size)
    oldest = one.brought.oldest
    is_pruned = np.full(missing.size, True) if oldest is None else state.filter_value[missing] < oldest
    kept_count = int(is_pruned.sum())
    return Missing(missing[~is_pruned], kept_count, expected.size - kept_count)


def with_doubtful(
    missing: Missing, doubtful: Documents, window: Window, has_older: Callable[[Window], bool]
) -> Missing:
    """Count what a left-over has and newer answers lacked as missing, unless the site prunes."""
    if not doubtful.size or not has_older(window):
        return missing
    documents = np.union1d(missing.documents, doubtful)
    return Missing(documents, missing.kept_count, missing.expected_count + doubtful.size)


def over_missing_limit(missing: Missing, max_pct: float) -> str | None:
    """A sentence when more than `max_pct` percent and more than 12 of the expected documents are missing."""
    count, expected = missing.documents.size, missing.expected_count
    if count <= FEWEST_MISSING or count * 100 <= max_pct * expected:
        return None
    return (
        f"{count} of {expected} documents ({count * 100 / expected:.1f} %) that were here before are missing,"
        f" more than MAX_MISSING_PCT={max_pct:g} allows; if they were deleted on purpose, raise the limit for"
        " one run"
    )


@dataclass(frozen=True)
class OtherParts:
    """What one part of a site's reads has to know of the others, which are merged before and after it: the
    reads of later ones, and the documents that were looked up in earlier ones."""

    later: Sequence[StagedRead] = ()
    looked_up: set[tuple[Collection, str]] = field(default_factory=set)


class Inquiry:
    """Asks one site about missing documents, each question once. Opens the site when first needed."""

    def __init__(
        self,
        stage: Stage,
        open_source: OpenSource,
        site_id: str,
        origin: str,
        run_id: str,
        branch: str,
        parts: OtherParts | None = None,
    ) -> None:
        self._stage = stage
        self._open_source = open_source
        self._site_id = site_id
        self._origin = origin
        self._run_id = run_id
        self._branch = branch
        self._parts = parts or OtherParts()
        self._later_ids: dict[Collection, pl.Series] = {}
        self._source: Source | None = None
        self._stack = ExitStack()
        self._older: dict[tuple[Collection, datetime], bool] = {}
        self._gone: set[tuple[Collection, str]] = set()

    def __enter__(self) -> "Inquiry":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def has_older(self, window: Window) -> bool:
        """Whether the site has anything older than the window. Raises SourceError."""
        question = window.collection, window.start
        if question not in self._older:
            self._older[question] = self._open().has_older(*question)
        return self._older[question]

    def look_up(self, window: Window, document_id: str) -> StagedRead | None:
        """The document wherever it has moved to, staged as a read of its own; None when it is gone.

        Raises SourceError when the site cannot say.
        """
        question = window.collection, document_id
        if question in self._gone:
            return None
        found = self._stage.find(window, self._branch, document_id)
        if found is None:
            found = self._ask(window, document_id)
        if found is None:
            self._gone.add(question)
        else:
            self._parts.looked_up.add(question)
        return found

    def looked_up_before(self, collection: Collection) -> pl.Series:
        """The `_id`s that were looked up and found in earlier parts."""
        found = [document_id for of, document_id in self._parts.looked_up if of is collection]
        return pl.Series("_id", sorted(found), dtype=pl.String)

    def read_later(self, collection: Collection, identifiers: Sequence[str]) -> set[str]:
        """Which of these documents a read of a later part has, accepted or quarantined."""
        if not identifiers:
            return set()
        if collection not in self._later_ids:
            later = [self._ids(read) for read in self._parts.later if read.window.collection is collection]
            self._later_ids[collection] = pl.concat([pl.Series(dtype=pl.String), *later])
        asked = pl.Series(identifiers, dtype=pl.String)
        return set(asked.filter(asked.is_in(self._later_ids[collection].implode())))

    def _ids(self, read: StagedRead) -> pl.Series:
        validate(self._stage, read)
        accepted, quarantined = accepted_rows(self._stage, read), quarantined_rows(self._stage, read)
        return pl.concat([accepted["_id"].alias(""), quarantined["document_id"].drop_nulls().alias("")])

    def _ask(self, window: Window, document_id: str) -> StagedRead | None:
        answer = self._open().look_up(window.collection, document_id)
        if not answer.documents:
            return None
        return self._stage.write(
            window,
            answer,
            kind=LOOK_UP,
            origin=self._origin,
            run_id=self._run_id,
            branch=self._branch,
            document_id=document_id,
        )

    def _open(self) -> Source:
        if self._source is None:
            self._source = self._stack.enter_context(self._open_source(self._site_id))
        return self._source
