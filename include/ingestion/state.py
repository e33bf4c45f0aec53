"""What is known of the documents of one site and collection while a batch of reads is merged: no payloads.

Documents are numbered densely; arrays hold one value each, so that ten years of readings fit in little
memory. A version is known by its hash, its filter value and where its row lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from include.nightscout.windows import Collection, Window

IN_RAW = -1  # the row of this version lies in the raw table, not in a staged read
LIVE = 0  # of `deleted_us`

Documents = NDArray[np.int64]
Flags = NDArray[np.bool_]
_ISO_LENGTH = 24  # of a bound; text longer than it compares with bounds as its first 24 bytes do


def filter_values(collection: Collection, values: pl.Series) -> NDArray[Any]:
    """What a site's filter compares, or else sorts by: `date` as a number, other fields as text."""
    if collection is Collection.ENTRIES:
        return values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    texts = values.cast(pl.String).fill_null("").to_list()
    return np.array([text.encode()[:_ISO_LENGTH] for text in texts], f"S{_ISO_LENGTH}")


def are_selected(window: Window, values: NDArray[Any]) -> Flags:
    """Which filter values the filter of the window selects; all of a collection that is read whole."""
    if window.collection.is_read_whole:
        return np.ones(values.size, np.bool_)
    bounds = (window.collection.filter_bound(bound) for bound in (window.start, window.end))
    start, end = np.array(list(bounds), dtype=values.dtype)
    is_selected: Flags = (values >= start) & (values < end)
    return is_selected


def versions(content_hashes: pl.Series) -> NDArray[np.uint64]:
    """The first 64 bits of each hash: only versions of one document are ever compared, and the ledger
    compares whole hashes afterwards."""
    return content_hashes.str.slice(0, 16).str.to_integer(base=16, dtype=pl.UInt64).to_numpy()


@dataclass(frozen=True)
class Rows:
    """The accepted rows of one read, in the order of the answer; `document` numbers them within a State."""

    document: Documents
    version: NDArray[np.uint64]
    is_valid: Flags
    filter_value: NDArray[Any]
    row_number: NDArray[np.int64]

    def last(self) -> "Rows":
        """The last row of each document only."""
        kept = self.document.size - 1 - np.unique(self.document[::-1], return_index=True)[1]
        return Rows(*(getattr(self, field.name)[kept] for field in fields(self)))


@dataclass(frozen=True)
class Verdict:
    """What becomes of each row; a row in none of them is unchanged or superseded."""

    inserted: Flags
    updated: Flags
    revived: Flags
    retired: Flags

    @property
    def written(self) -> Flags:
        """Rows that replace what is stored."""
        return self.inserted | self.updated | self.revived | self.retired


@dataclass(frozen=True)
class Tally:
    """What became of the accepted rows of one read. `retired_live` are those of `retired` that were live."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    revived: int = 0
    retired: int = 0
    retired_live: int = 0
    superseded: int = 0


@dataclass
class State:
    """One array a property, one element a document. Times are microseconds since 1970.

    `source` and `row_number` say where the row of the version lies: in which read of the batch, or IN_RAW.
    `is_looked_up`: the version came from a look-up of this run, which is newer than all its windows.
    """

    exists: Flags
    version: NDArray[np.uint64]
    filter_value: NDArray[Any]
    deleted_us: NDArray[np.int64]
    ingested_us: NDArray[np.int64]
    first_seen_us: NDArray[np.int64]
    source: NDArray[np.int32]
    row_number: NDArray[np.int64]
    is_touched: Flags
    is_looked_up: Flags

    @classmethod
    def empty(cls, collection: Collection, count: int) -> Self:
        """`count` documents of which nothing is known yet."""
        return cls(
            exists=np.zeros(count, np.bool_),
            version=np.zeros(count, np.uint64),
            filter_value=filter_values(collection, pl.Series([None], dtype=pl.Null)).repeat(count),
            deleted_us=np.zeros(count, np.int64),
            ingested_us=np.zeros(count, np.int64),
            first_seen_us=np.zeros(count, np.int64),
            source=np.full(count, IN_RAW, np.int32),
            row_number=np.zeros(count, np.int64),
            is_touched=np.zeros(count, np.bool_),
            is_looked_up=np.zeros(count, np.bool_),
        )

    def copy(self) -> Self:
        """The same, to try something on."""
        return type(self)(*(getattr(self, field.name).copy() for field in fields(self)))

    @property
    def is_live(self) -> Flags:
        """Which documents are in raw and neither retired nor tombstoned."""
        is_kept: Flags = self.deleted_us == LIVE
        return self.exists & is_kept

    def is_newer(self, than_us: int) -> Flags:
        """Which documents were stored, or found gone, by a read that was fetched after this time."""
        return self.exists & ((self.ingested_us > than_us) | (self.deleted_us > than_us))

    def apply(self, rows: Rows, source: int, fetched_us: int, *, is_left_over: bool) -> Tally:
        """Take the accepted rows of one read in; the last row of a document wins.

        A left-over never replaces what a newer read stored. A row that says isValid: false retires its
        document and never revives it.
        """
        last = rows.last()
        is_live = self.is_live[last.document]
        is_stale = self.is_newer(fetched_us)[last.document] & is_left_over
        verdict = self._verdict(last, is_stale)
        tally = Tally(
            inserted=int(verdict.inserted.sum()),
            updated=int(verdict.updated.sum()),
            unchanged=int((~is_stale & ~verdict.written).sum()),
            revived=int(verdict.revived.sum()),
            retired=int(verdict.retired.sum()),
            retired_live=int((verdict.retired & is_live).sum()),
            superseded=int(rows.document.size - last.document.size + is_stale.sum()),
        )
        self._store(last, verdict, source, fetched_us)
        return tally

    def _verdict(self, rows: Rows, is_stale: Flags) -> "Verdict":
        exists, is_live = self.exists[rows.document], self.is_live[rows.document]
        is_same = exists & (self.version[rows.document] == rows.version)
        valid, invalid = ~is_stale & rows.is_valid, ~is_stale & ~rows.is_valid
        return Verdict(
            inserted=valid & ~exists,
            updated=valid & is_live & ~is_same,
            revived=valid & exists & ~is_live,
            retired=invalid & ~(exists & ~is_live & is_same),
        )

    def _store(self, rows: Rows, verdict: "Verdict", source: int, fetched_us: int) -> None:
        exists, is_live = self.exists[rows.document], self.is_live[rows.document]
        self.first_seen_us[rows.document[verdict.written & ~exists]] = fetched_us
        self.deleted_us[rows.document[verdict.retired & (is_live | ~exists)]] = fetched_us
        self.deleted_us[rows.document[verdict.revived]] = LIVE
        written = verdict.written
        changed = rows.document[written]
        self.exists[changed], self.is_touched[changed] = True, True
        self.version[changed] = rows.version[written]
        self.filter_value[changed] = rows.filter_value[written]
        self.ingested_us[changed] = fetched_us
        self.source[changed], self.row_number[changed] = source, rows.row_number[written]

    def expected(self, window: Window, fetched_us: int, *, is_left_over: bool) -> Documents:
        """Live documents that the filter of the window selects; not those known from a newer read only."""
        is_selected = are_selected(window, self.filter_value)
        is_later = self.is_looked_up | (self.is_newer(fetched_us) & is_left_over)
        return np.flatnonzero(self.is_live & is_selected & ~is_later)

    def doubtful(self, rows: Rows, fetched_us: int, read_since: Sequence[Window]) -> Documents:
        """Documents that these rows of a left-over would bring to life or change, although windows that
        were read whole since should have had them, as they are here or as they would become."""
        last = rows.last()
        written = self._verdict(last, self.is_newer(fetched_us)[last.document]).written & last.is_valid
        was_live, before = self.is_live[last.document], self.filter_value[last.document]
        is_contradicted = np.zeros(last.document.size, np.bool_)
        for window in read_since:
            is_contradicted |= are_selected(window, last.filter_value) | (
                was_live & are_selected(window, before)
            )
        return last.document[written & is_contradicted]

    def tombstone(self, documents: Documents, fetched_us: int) -> None:
        """The site no longer has these live documents; found out by a read fetched at this time."""
        self.deleted_us[documents] = fetched_us
        self.is_touched[documents] = True


class Numbers:
    """Dense numbers for the `_id`s of one site and collection."""

    def __init__(self, identifiers: pl.Series) -> None:
        self.identifiers = identifiers.unique(maintain_order=True).alias("_id")
        self._frame = pl.DataFrame({"_id": self.identifiers}).with_row_index("document")

    def __len__(self) -> int:
        return len(self.identifiers)

    def of(self, identifiers: pl.Series) -> Documents:
        """Their numbers; those unknown are left out."""
        found = pl.DataFrame({"_id": identifiers}).join(
            self._frame, on="_id", how="inner", maintain_order="left"
        )
        return found["document"].cast(pl.Int64).to_numpy()

    def names(self, documents: Documents) -> list[str]:
        """The `_id`s of these numbers."""
        return self.identifiers.gather(documents).to_list()
