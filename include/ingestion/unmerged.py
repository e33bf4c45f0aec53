"""What lies in the stage and is in no table of main yet: of failed runs, left-out sites, runs under way."""

from collections.abc import Container, Iterator
from contextlib import suppress
from typing import Any

from include.errors import StageError
from include.ingestion.stage import Stage, StagedRead
from include.ingestion.validate import find_validation, over_quarantine_limit, quarantined_rows

STAGED, NOT_CONFIGURED, DAMAGED = "staged", "not_configured", "damaged"

Row = dict[str, Any]


def unmerged_reads(
    stage: Stage, merged: Container[str], configured: Container[str] | None, max_quarantine_pct: float
) -> Iterator[Row]:
    """A row a read, newest fetch first: what it is, `status`, and why it waits where that is known.

    `configured` are the ids of sites, None when they cannot be known.
    """
    for read in reversed(stage.reads(skip=merged)):
        is_configured = configured is None or read.window.site_id in configured
        yield {
            "read_id": read.read_id,
            "site_id": read.window.site_id,
            "collection": read.window.collection.value,
            "window_start": read.window.start,
            "window_end": read.window.end,
            "status": STAGED if is_configured else NOT_CONFIGURED,
            "message": _refusal(stage, read, max_quarantine_pct)
            if is_configured
            else "its site is not configured: it stays in the stage until it is",
        }
    for broken in stage.damaged(skip=merged):
        yield {
            "read_id": broken.read_id,
            "site_id": broken.site_id,
            "collection": broken.collection,
            "window_start": None,
            "window_end": None,
            "status": DAMAGED,
            "message": broken.reason,
        }


def refused_documents(stage: Stage, merged: Container[str]) -> Iterator[Row]:
    """The quarantined documents of reads that were validated and not merged, oldest fetch first."""
    for read in stage.reads(skip=merged):
        with suppress(StageError):  # not validated yet, or damaged: then `unmerged_reads` tells of it
            for row in quarantined_rows(stage, read).iter_rows(named=True):
                yield row | {"first_seen_at": read.fetched_at, "resolved_at": None}


def _refusal(stage: Stage, read: StagedRead, max_quarantine_pct: float) -> str | None:
    try:
        validation = find_validation(stage, read)
    except StageError as error:
        return str(error)
    return over_quarantine_limit(validation, max_quarantine_pct) if validation else None
