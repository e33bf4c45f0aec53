"""Writing rows into an Iceberg table so that any number of tries leaves the same rows."""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, ValidationException
from pyiceberg.expressions import AlwaysTrue, GreaterThanOrEqual, LessThanOrEqual
from pyiceberg.io.pyarrow import ArrowScan, _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableUpdate

from include.errors import ConflictError
from include.lakehouse.incoming import FIRST_SEEN, Changes, Incoming
from include.lakehouse.partitions import Partitioning, all_of, packed
from include.lakehouse.storage import usable_storage

COMMIT_ID = "lakehouse.commit-id"
ATTEMPT = "lakehouse.attempt"
TRIES = 5
ROWS_AT_A_TIME = 20_000  # what is held in memory at once: of one site, two months


@dataclass(frozen=True)
class Merged:
    """What became of the distinct keys of the batches; `superseded` rows were replaced within them."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    superseded: int = 0


def merge_rows(
    table: Table,
    batches: Iterable[pa.Table],
    *,
    key: Sequence[str],
    instant: str | None,
    bookkeeping: Collection[str],
    commit_id: str,
) -> Merged:
    """Insert or replace rows by `key`, in one commit, or none when nothing changed.

    `batches` hold every column of the table, in any order; where a key occurs twice the last one wins.
    A row is unchanged when only columns of `bookkeeping` differ. An updated row takes all new values but
    keeps its `first_seen_at`. `instant` (never null) is the column whose month partitions the table, None
    when it is not partitioned by time; a row whose instant moved to another month moves. `commit_id` is
    kept with the snapshot, for people. Memory does not grow with the number of rows. A concurrent writer
    makes it read again, 5 times at most; a commit whose answer got lost is recognised.
    Raises ContractError when columns are missing or required values are null, ConflictError when other
    writers win every time, ServiceError when the disk is full.
    """
    partitioning = Partitioning.of(table, key, instant)
    opened = Incoming.opened(table.schema().as_arrow(), partitioning, key=key, bookkeeping=bookkeeping)
    with usable_storage(table), opened as incoming:
        keys, superseded = incoming.receive(batches)
        if not keys:
            return Merged()
        for attempt in range(TRIES):
            written = _Attempt(table, incoming, partitioning, commit_id)
            try:
                return written.write(keys, superseded)
            except (CommitFailedException, CommitStateUnknownException, ValidationException):
                time.sleep(0.05 * 2**attempt)
                table.refresh()
                if written.has_landed():
                    return written.merged(keys, superseded)
    raise ConflictError(f"other writers changed {'.'.join(table.name())} {TRIES} times meanwhile: run again")


class _Attempt:
    """One try to bring the table up to date, from the snapshot it shows now."""

    def __init__(self, table: Table, incoming: Incoming, partitioning: Partitioning, commit_id: str) -> None:
        self._table = table
        self._incoming = incoming
        self._partitioning = partitioning
        self._properties = {COMMIT_ID: commit_id, ATTEMPT: uuid4().hex}
        self._replaced: list[str] = []
        self._written: list[DataFile] = []
        self._inserted = 0
        self._updated = 0

    def write(self, keys: int, superseded: int) -> Merged:
        """Compare group by group of partitions, then commit what differs, at once."""
        incoming_rows = self._incoming.locate(self._held())
        files = self._files(incoming_rows)
        row_counts = {place: rows + _row_count(files[place]) for place, rows in incoming_rows.items()}
        for group in packed(row_counts, ROWS_AT_A_TIME):
            current = self._read(self._table.schema(), [file for place in group for file in files[place]])
            changes = self._incoming.changes(group, current)
            if changes is not None:
                self._write_files(changes)
        if self._replaced:
            self._commit([partition for partition in self._replaced if files[partition]])
        return self.merged(keys, superseded)

    def merged(self, keys: int, superseded: int) -> Merged:
        """The counts of this try."""
        unchanged = keys - self._inserted - self._updated
        return Merged(self._inserted, self._updated, unchanged, superseded)

    def has_landed(self) -> bool:
        """Whether the table holds this try's commit after all."""
        tokens = (
            s.summary[ATTEMPT] for s in self._table.metadata.snapshots if s.summary and ATTEMPT in s.summary
        )
        return self._properties[ATTEMPT] in tokens

    def _held(self) -> Iterator[pa.Table]:
        """The files whose bounds admit these keys, a few at a time, and only the columns `locate` needs."""
        filtered = all_of(
            bound
            for name, least, greatest in self._incoming.key_ranges()
            for bound in (
                GreaterThanOrEqual(term=name, value=least),
                LessThanOrEqual(term=name, value=greatest),
            )
        )
        present = set(self._table.schema().column_names)
        wanted = {*self._incoming.key, *self._partitioning.columns, FIRST_SEEN} & present
        scan = self._table.scan(row_filter=filtered, selected_fields=tuple(wanted))
        for files in _by_rows(scan.plan_files(), ROWS_AT_A_TIME):
            yield self._read(scan.projection(), files)

    def _files(self, partitions: Collection[str]) -> dict[str, list[FileScanTask]]:
        """The data files of each partition."""
        found: dict[str, list[FileScanTask]] = {partition: [] for partition in partitions}
        for file in self._table.scan(row_filter=self._partitioning.rows_in(partitions)).plan_files():
            found[self._partitioning.of_file(file)].append(file)
        return found

    def _read(self, columns: Schema, files: Sequence[FileScanTask]) -> pa.Table:
        """All rows of these files."""
        return ArrowScan(self._table.metadata, self._table.io, columns, AlwaysTrue()).to_table(files)

    def _write_files(self, changes: Changes) -> None:
        """Data files go to the disk at once, so that memory holds one group; the commit names them."""
        self._inserted += changes.inserted
        self._updated += changes.updated
        self._replaced += changes.partitions
        if len(changes.rows):
            self._written += _dataframe_to_data_files(self._table.metadata, changes.rows, self._table.io)

    def _commit(self, filled: Sequence[str]) -> None:
        """Let the written files take the place of what the partitions `filled` hold."""
        with _Transaction(self._table) as transaction:
            if filled:
                transaction.delete(self._partitioning.rows_in(filled), snapshot_properties=self._properties)
            with transaction.update_snapshot(snapshot_properties=self._properties).merge_append() as append:
                for file in self._written:
                    append.append_data_file(file)


class _Transaction(Transaction):
    """PyIceberg's, which else copies all metadata 46 times an overwrite: two thirds of what a day costs."""

    _known: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's metadata with what is staged; computed once for each state of both."""
        base, updates = self._table.metadata, self._updates
        if self._known is None or self._known[0] is not base or self._known[1] is not updates:
            self._known = base, updates, super().table_metadata
        return self._known[2]


def _row_count(files: Iterable[FileScanTask]) -> int:
    return sum(file.file.record_count for file in files)


def _by_rows(tasks: Iterable[FileScanTask], limit: int) -> Iterator[list[FileScanTask]]:
    files: list[FileScanTask] = []
    for task in tasks:
        if files and _row_count([*files, task]) > limit:
            yield files
            files = []
        files.append(task)
    if files:
        yield files
