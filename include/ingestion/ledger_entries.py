"""Entries of the ledger: each merged read of a run with its staged rows, and whether its counts hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from include.ingestion.batch import named
from include.ingestion.outcomes import WINDOW
from include.ingestion.stage import Stage, StagedRead
from include.ingestion.validate import accepted_rows, quarantined_rows
from include.nightscout.windows import Collection

_ACCEPTED_BECAME = ("inserted", "updated", "unchanged", "revived", "retired", "superseded")
_ROWS = ("_id", "content_hash", "is_valid")


@dataclass(frozen=True)
class Entry:
    """One outcome with the staged read it is about. `is_own`: the run fetched it itself."""

    stage: Stage
    outcome: dict[str, Any]
    read: StagedRead
    is_own: bool

    def __str__(self) -> str:
        what = "" if self.read.kind == WINDOW else f" (look-up of {self.read.document_id})"
        return f"{self.read.window.site_id} {named(self.read.window)}{what}"

    @property
    def place(self) -> tuple[str, Collection]:
        """Its site and collection."""
        return self.read.window.site_id, self.read.window.collection

    @property
    def gained(self) -> int:
        """By how many live documents the outcome claims that this read changed its collection."""
        lost = self.claimed("retired_live") + self.claimed("tombstoned")
        return self.claimed("inserted") + self.claimed("revived") - lost

    def claimed(self, name: str) -> int:
        """A count of the outcome; one that is missing counts as 0."""
        return self.outcome[f"{name}_count"] or 0

    def accepted(self) -> pl.DataFrame:
        """`_id, content_hash, is_valid` as staged, in the order of the answer. StageError when damaged."""
        return accepted_rows(self.stage, self.read).select(_ROWS)

    def quarantined(self) -> pl.Series:
        """Hashes of the quarantined documents as staged. StageError when damaged."""
        return quarantined_rows(self.stage, self.read)["payload_hash"]

    def problems(self) -> Iterator[str]:
        """Counts that do not add up, or that differ from what is staged."""
        manifest, accepted, refused = self.read.document_count, len(self.accepted()), len(self.quarantined())
        if manifest != accepted + refused:
            yield f"{self}: {manifest} documents read, but {accepted} accepted and {refused} quarantined"
        for name, count in (("document", manifest), ("accepted", accepted), ("quarantined", refused)):
            if self.claimed(name) != count:
                yield f"{self}: {name}_count is {self.claimed(name)}, but {count} are staged"
        became = sum(self.claimed(name) for name in _ACCEPTED_BECAME)
        if became != accepted:
            yield f"{self}: {accepted} documents accepted, but {became} accounted for"
        before, after = self.outcome["live_before"], self.outcome["live_after"]
        if before is None or after != before + self.gained:
            yield f"{self}: {before} live documents before and {self.gained:+d} do not make {after} after"


def newest_first(entries: list[Entry]) -> list[Entry]:
    """The order in which they were merged, backwards: oldest fetch first, the run's own reads last."""
    order = sorted(entries, key=lambda entry: (entry.is_own, entry.read.fetched_at, entry.read.read_id))
    return order[::-1]
