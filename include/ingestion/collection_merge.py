"""The rules of one site's collection: what its reads, one after the other, make of the documents in raw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from include.errors import SiteLeftOutError, SourceContractError
from include.ingestion.batch import BatchRead, in_order, named
from include.ingestion.deletions import (
    NOTHING_MISSING,
    Inquiry,
    Missing,
    find_missing,
    over_missing_limit,
    with_doubtful,
)
from include.ingestion.raw_documents import RawDocuments
from include.ingestion.stage import StagedRead
from include.ingestion.state import (
    LIVE,
    Documents,
    Numbers,
    Rows,
    State,
    Tally,
    filter_values,
    versions,
)
from include.ingestion.validate import over_quarantine_limit
from include.nightscout.windows import Collection, Window


@dataclass(frozen=True)
class Limits:
    """Percentages of a window's documents above which it is not believed."""

    max_quarantine_pct: float
    max_missing_pct: float


@dataclass(frozen=True)
class MergedRead:
    """What became of one read. `live_*` count all live documents of its site and collection."""

    one: BatchRead
    tally: Tally
    tombstoned_count: int
    kept_count: int
    live_before: int

    @property
    def live_after(self) -> int:
        """Live documents once the read is merged."""
        tally = self.tally
        gained = tally.inserted + tally.revived - tally.retired_live
        return self.live_before + gained - self.tombstoned_count


@dataclass
class CollectionMerge:
    """The reads of one site's collection as merged, in order, and the documents after them.

    `State.source` counts `reads`. `set_aside`: left-overs that were not merged, with the reason.
    `unchecked`: read ids that were over a limit, with the reason; a newer read decided in their stead.
    """

    collection: Collection
    numbers: Numbers
    state: State
    reads: list[MergedRead]
    set_aside: list[tuple[BatchRead, str]]
    unchecked: dict[str, str]


@dataclass
class _Attempt:
    """One try at merging the reads in order. `unchecked`: over a limit, but a newer read contains them."""

    state: State
    live_count: int
    merged: list[MergedRead] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)


class CollectionRules:
    """Merges the reads of one site's collection in memory; nothing is written to raw."""

    def __init__(
        self,
        collection: Collection,
        reads: Sequence[BatchRead],
        stored: RawDocuments,
        limits: Limits,
        inquiry: Inquiry,
        load: Callable[[StagedRead], BatchRead],
        read_since: Callable[[StagedRead], Sequence[Window]],
    ) -> None:
        self._collection = collection
        self._reads = in_order(reads)
        self._limits = limits
        self._inquiry = inquiry
        self._load = load
        self._read_since = read_since
        self._live_count = stored.live_count()
        identifiers = pl.concat([one.brought.identifiers for one in reads])
        light = stored.light([one.window for one in reads if one.is_window], identifiers)
        self._numbers = Numbers(pl.concat([light["_id"], identifiers]))
        self._stored = _state(collection, self._numbers, light)
        self._stored.is_looked_up[self._numbers.of(inquiry.looked_up_before(collection))] = True
        self._rows = {one.read_id: self._rows_of(one) for one in reads}
        self._present = {one.read_id: self._documents_of(one) for one in reads}

    def merge(self) -> CollectionMerge:
        """Merge all reads, oldest fetch first, but left-overs that a limit sets aside.

        Raises SiteLeftOutError when a read of this run is over a limit, SourceError when the site does
        not answer a question about a missing document.
        """
        aside: dict[str, str] = {}
        while True:
            attempt = self._attempt(aside)
            if attempt is not None:
                break
        set_aside = [(one, aside[one.read_id]) for one in self._reads if one.read_id in aside]
        return CollectionMerge(
            self._collection, self._numbers, attempt.state, attempt.merged, set_aside, attempt.unchecked
        )

    def _attempt(self, aside: dict[str, str]) -> _Attempt | None:
        """All reads but those set aside; None when one more had to be set aside."""
        has_left_overs = not all(one.is_own for one in self._reads)  # without them there is one attempt only
        state = self._stored.copy() if has_left_overs else self._stored
        attempt = _Attempt(state, self._live_count)
        taking_part = [one for one in self._reads if one.read_id not in aside]
        for position, one in enumerate(taking_part):
            newer = taking_part[position + 1 :]
            missing, reason = self._judge(one, attempt.state)
            if reason is None:
                self._merge_read(one, attempt, newer, missing)
            elif any(other.is_window and other.window.contains(one.window) for other in newer):
                attempt.unchecked[one.read_id] = reason
                self._merge_read(one, attempt, newer, NOTHING_MISSING)
            else:
                self._set_aside(one, reason, attempt, aside)
                return None
        return attempt

    def _judge(self, one: BatchRead, state: State) -> tuple[Missing, str | None]:
        """What the answer lacks, and why it is not to be believed."""
        if not one.is_window:
            return NOTHING_MISSING, None
        reason = over_quarantine_limit(one.validation, self._limits.max_quarantine_pct)
        if reason is not None:
            return NOTHING_MISSING, reason
        has_older = self._inquiry.has_older
        missing = find_missing(state, one, self._present[one.read_id], has_older)
        if not one.is_own:
            since = self._read_since(one.read)
            doubtful = state.doubtful(self._rows[one.read_id], one.fetched_us, since)
            missing = with_doubtful(missing, doubtful, one.window, has_older)
        return missing, over_missing_limit(missing, self._limits.max_missing_pct)

    def _set_aside(self, one: BatchRead, reason: str, attempt: _Attempt, aside: dict[str, str]) -> None:
        """Set aside what makes this read unbelievable: unchecked reads that it contains, else itself."""
        contained = [
            read.one.read_id
            for read in attempt.merged
            if read.one.read_id in attempt.unchecked and one.window.contains(read.one.window)
        ]
        for read_id in contained:
            aside[read_id] = attempt.unchecked[read_id]
        if contained:
            return
        if one.is_own:
            raise SiteLeftOutError(f"{named(one.window)}: {reason}")
        aside[one.read_id] = reason

    def _merge_read(
        self, one: BatchRead, attempt: _Attempt, newer: Sequence[BatchRead], missing: Missing
    ) -> None:
        gone, found = self._look_up(one, missing.documents, newer)
        self._take(one, self._rows[one.read_id], attempt, gone.size, missing.kept_count)
        attempt.state.tombstone(gone, one.fetched_us)
        done = {read.one.read_id for read in attempt.merged}
        for look_up in found:
            if look_up.read_id not in done:
                rows = self._rows_of(look_up)
                self._take(look_up, rows, attempt, 0, 0)
                attempt.state.is_looked_up[rows.document] = True

    def _take(
        self, one: BatchRead, rows: Rows, attempt: _Attempt, tombstoned_count: int, kept_count: int
    ) -> None:
        source = len(attempt.merged)
        tally = attempt.state.apply(rows, source, one.fetched_us, is_left_over=not one.is_own)
        attempt.merged.append(MergedRead(one, tally, tombstoned_count, kept_count, attempt.live_count))
        attempt.live_count = attempt.merged[-1].live_after

    def _look_up(
        self, one: BatchRead, missing: Documents, newer: Sequence[BatchRead]
    ) -> tuple[Documents, list[BatchRead]]:
        """Ask the site for each missing document: those that are gone, and the answers about the others.

        What a newer read of the batch has, accepted or quarantined, is not gone and not asked for.
        """
        if not missing.size:
            return missing, []
        known = np.concatenate([missing[:0], *(self._present[other.read_id] for other in newer)])
        unknown = np.setdiff1d(missing, known)
        names = self._numbers.names(unknown)
        read_later = self._inquiry.read_later(self._collection, names)
        unknown = unknown[[name not in read_later for name in names]]
        answers = [self._inquiry.look_up(one.window, name) for name in names if name not in read_later]
        gone = unknown[[answer is None for answer in answers]]
        return gone, [self._load(answer) for answer in answers if answer is not None]

    def _documents_of(self, one: BatchRead) -> Documents:
        brought = one.brought
        return np.concatenate([self._numbers.of(brought.identifiers), self._numbers.of(brought.quarantined)])

    def _rows_of(self, one: BatchRead) -> Rows:
        brought = one.brought
        documents = self._numbers.of(brought.identifiers)
        if documents.size != len(brought.identifiers):
            raise SourceContractError(f"{one.read.request} was answered with another document")
        return Rows(documents, brought.version, brought.is_valid, brought.filter_value, brought.row_number)


def _state(collection: Collection, numbers: Numbers, light: pl.DataFrame) -> State:
    """What raw holds, as arrays; documents that only the batch has do not exist yet."""
    state = State.empty(collection, len(numbers))
    documents = numbers.of(light["_id"])
    state.exists[documents] = True
    state.version[documents] = versions(light["content_hash"])
    state.filter_value[documents] = filter_values(collection, light[:, -1])
    for name in ("deleted_at", "ingested_at", "first_seen_at"):
        microseconds = light[name].dt.epoch("us").fill_null(LIVE).to_numpy()
        getattr(state, f"{name.removesuffix('_at')}_us")[documents] = microseconds
    return state
