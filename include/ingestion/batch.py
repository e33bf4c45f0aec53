"""The staged reads that one run may merge, and what each brought, without payloads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from include.ingestion.documents import read_document
from include.ingestion.outcomes import WINDOW
from include.ingestion.stage import Stage, StagedRead
from include.ingestion.state import filter_values, versions
from include.ingestion.validate import Validation, accepted_rows, quarantined_rows, validate
from include.nightscout.windows import EPOCH, Collection, Window
from include.schemas import COLLECTION_TABLE, RAW_TABLES
from include.schemas.received import HIGHEST_GLUCOSE_MG_DL, LOWEST_GLUCOSE_MG_DL

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Brought:
    """What one read brought: its accepted rows in the order of the answer, and the ids of its quarantined.

    `oldest` is the least filter value of the answer, quarantined documents included; None when it has none.
    Instants are those of the accepted; `glucose` is sum (mg/dL) and count of the accepted sensor readings.
    """

    identifiers: pl.Series
    version: NDArray[np.uint64]
    is_valid: NDArray[np.bool_]
    filter_value: NDArray[Any]
    row_number: NDArray[np.int64]
    quarantined: pl.Series
    oldest: Any
    first_instant: datetime | None
    last_instant: datetime | None
    glucose: tuple[float, int]


@dataclass(frozen=True)
class BatchRead:
    """One staged read of the batch. `is_own`: this try of this run fetched it; else it is a left-over."""

    read: StagedRead
    validation: Validation
    brought: Brought
    is_own: bool

    @property
    def read_id(self) -> str:
        """The read's name, unlike that of any other."""
        return self.read.read_id

    @property
    def window(self) -> Window:
        """What was read; of a look-up, the window that missed the document."""
        return self.read.window

    @property
    def is_window(self) -> bool:
        """Whether a window was read whole, rather than one document looked up."""
        return self.read.kind == WINDOW

    @property
    def fetched_us(self) -> int:
        """When it was fetched, in microseconds since 1970."""
        return (self.read.fetched_at - EPOCH) // MICROSECOND


def batch_read(stage: Stage, read: StagedRead, branch: str) -> BatchRead:
    """A staged read with what it brought, validated if that was not done yet.

    Raises StageError when its files are damaged.
    """
    validation = validate(stage, read)
    return BatchRead(read, validation, _brought(stage, read), is_own=read.branch == branch)


def in_order(reads: Sequence[BatchRead]) -> list[BatchRead]:
    """Oldest fetch first. This run's own reads come last whatever the clock says: it holds the lease."""
    return sorted(reads, key=lambda one: (one.is_own, one.read.fetched_at, one.read_id))


def mean_glucose_mg_dl(sums: Iterable[tuple[float, int]]) -> float | None:
    """Mean of all accepted sensor readings, from the sum and count of each read; None when there is none."""
    total, count = 0.0, 0
    for read_sum, read_count in sums:
        total, count = total + read_sum, count + read_count
    return total / count if count else None


def named(window: Window) -> str:
    """A window as messages name it, without its site."""
    return f"{window.collection} {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"


def _brought(stage: Stage, read: StagedRead) -> Brought:
    collection = read.window.collection
    accepted, quarantined = accepted_rows(stage, read), quarantined_rows(stage, read)
    instants = accepted[RAW_TABLES[COLLECTION_TABLE[collection]].instant or ""]
    glucose = _glucose(collection, accepted)
    values = filter_values(collection, accepted[collection.filter_column])
    return Brought(
        identifiers=accepted["_id"],
        version=versions(accepted["content_hash"]),
        is_valid=accepted["is_valid"].to_numpy(),
        filter_value=values,
        row_number=accepted["row_number"].to_numpy(),
        quarantined=quarantined["document_id"].drop_nulls(),
        oldest=_oldest(collection, values, quarantined["document"].to_list()),
        first_instant=_instant(instants.min()),
        last_instant=_instant(instants.max()),
        glucose=(float(glucose.sum()), len(glucose)),
    )


def _glucose(collection: Collection, accepted: pl.DataFrame) -> pl.Series:
    """Sensor glucose in mg/dL, without error codes of the sensor."""
    if collection is not Collection.ENTRIES:
        return pl.Series([], dtype=pl.Float64)
    is_reading = pl.col("sgv").is_between(LOWEST_GLUCOSE_MG_DL, HIGHEST_GLUCOSE_MG_DL)
    return accepted.filter(pl.col("type") == "sgv", is_reading)["sgv"]


def _oldest(collection: Collection, accepted: NDArray[Any], quarantined: Sequence[str]) -> Any:
    """The least filter value; a document that has none (no window selects it) does not count."""
    is_text = collection is not Collection.ENTRIES
    kind, dtype = (str, pl.String) if is_text else ((int, float), pl.Float64)
    found = [read_document(text).document.get(collection.filter_field) for text in quarantined]
    usable = [value for value in found if isinstance(value, kind) and not isinstance(value, bool)]
    refused = filter_values(collection, pl.Series(usable, dtype=dtype, strict=False))
    values = np.concatenate([accepted, refused])
    values = values[values != b""] if is_text else values[~np.isnan(values)]
    return np.sort(values)[0] if values.size else None


def _instant(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None
