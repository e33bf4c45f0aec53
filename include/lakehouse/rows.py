"""Writing rows into an Iceberg table so that any number of tries leaves the same rows."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.table import Table


@dataclass(frozen=True)
class Merged:
    """What became of the distinct keys of the batches."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


def merge_rows(
    table: Table,
    batches: Iterable[pa.Table],
    *,
    key: tuple[str, ...],
    instant: str | None,
    bookkeeping: tuple[str, ...],
    commit_id: str,
) -> Merged:
    """Insert or replace rows by `key`, in one commit, or none when nothing changed.

    `batches` hold every column of the table, in any order; where a key occurs twice the last one wins.
    A row is unchanged when only columns of `bookkeeping` differ. An updated row takes all new values but
    keeps its `first_seen_at`. `instant` (never null) is the column whose month partitions the table, None
    when it is not partitioned by time; a row whose instant moved to another month moves. `commit_id` is
    kept with the snapshot, for people and for recognising a commit whose answer got lost.
    Memory does not grow with the number of rows. A concurrent writer makes it read again, 5 times at most.
    Raises ContractError when columns are missing or required values are null, ConflictError when other
    writers win every time, ServiceError when the disk is full.
    """
    raise NotImplementedError
