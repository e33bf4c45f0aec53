"""Rows of `raw.ingest_outcomes`, one for each staged or failed read that a run dealt with."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

import pyarrow as pa

from include.ingestion.collection_merge import MergedRead
from include.ingestion.outcomes import COUNTS, FAILED, MERGED, MOVE, WINDOW
from include.ingestion.stage import StagedRead, read_id_of
from include.nightscout.windows import Collection, Window
from include.schemas import RAW_TABLES, arrow_schema

Row = dict[str, Any]


@dataclass(frozen=True)
class FailedRead:
    """A window that could not be staged, after all tries. `message` is for a person, without secrets."""

    window: Window
    message: str
    failed_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe; `from_dict` gives the same back."""
        window = self.window.as_dict()
        return {"window": window, "message": self.message, "failed_at": self.failed_at.isoformat()}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """What `as_dict` described."""
        failed_at = datetime.fromisoformat(plain["failed_at"])
        return cls(Window.from_dict(plain["window"]), plain["message"], failed_at)


def outcome_table(rows: Iterable[Row]) -> pa.Table:
    """Rows as Arrow; columns that a row does not name are null."""
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(RAW_TABLES["ingest_outcomes"]))


def merged_row(merged: MergedRead, lease_number: int, message: str | None) -> Row:
    """The outcome of a read whose documents are in raw or in quarantine."""
    one, validation = merged.one, merged.one.validation
    counts = {f"{name}_count": count for name, count in asdict(merged.tally).items()}
    counts |= {name: getattr(validation, name) for name in COUNTS[:3]}
    return _row_of(one.read, lease_number, MERGED, message) | {
        **counts,
        "tombstoned_count": merged.tombstoned_count,
        "kept_missing_count": merged.kept_count,
        "live_before": merged.live_before,
        "live_after": merged.live_after,
        "first_instant": one.brought.first_instant,
        "last_instant": one.brought.last_instant,
        "warnings": json.dumps(validation.warnings, sort_keys=True),
        "reasons": json.dumps(validation.reasons, sort_keys=True),
    }


def unmerged_row(read: StagedRead, lease_number: int, status: str, message: str) -> Row:
    """The outcome of a staged read that was left out or set aside: it stays in the stage."""
    return _row_of(read, lease_number, status, message) | {"document_count": read.document_count}


def failed_row(failed: FailedRead, origin: str, run_id: str, branch: str, lease_number: int) -> Row:
    """The outcome of a window that could not be staged."""
    return {
        "read_id": f"{read_id_of(failed.window, branch)}--failed",
        **_place(failed.window, WINDOW, origin, run_id, failed.failed_at, lease_number),
        "status": FAILED,
        "message": failed.message,
    }


def move_row(site_id: str, origin: str, moved_at: datetime, run_id: str, lease_number: int) -> Row:
    """The outcome that binds a site id to another origin from now on; it says nothing about a window."""
    return {
        "read_id": f"{site_id}-move--{run_id}",
        "site_id": site_id,
        "collection": Collection.ENTRIES.value,
        "kind": MOVE,
        "origin": origin,
        "window_start": moved_at,
        "window_end": moved_at,
        "run_id": run_id,
        "lease_number": lease_number,
        "fetched_at": moved_at,
        "status": MERGED,
        "message": f"moved to {origin}",
    }


def _row_of(read: StagedRead, lease_number: int, status: str, message: str | None) -> Row:
    return {
        "read_id": read.read_id,
        **_place(read.window, read.kind, read.origin, read.run_id, read.fetched_at, lease_number),
        "request": read.request,
        "checksum": read.checksum,
        "status": status,
        "message": message,
    }


def _place(
    window: Window, kind: str, origin: str, run_id: str, fetched_at: datetime, lease_number: int
) -> Row:
    return {
        "site_id": window.site_id,
        "collection": window.collection.value,
        "kind": kind,
        "origin": origin,
        "window_start": window.start,
        "window_end": window.end,
        "run_id": run_id,
        "lease_number": lease_number,
        "fetched_at": fetched_at,
    }
