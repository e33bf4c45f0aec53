"""Small data files of one partition written as one, and the proof that no row changed by it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import polars as pl
import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.typedef import Record

from include.errors import ConflictError, ServiceError
from include.lakehouse.rows import COMMIT_ID
from include.lakehouse.storage import usable_storage

# PyIceberg cuts files at 512 MB of memory, which are more than this on the disk: what it wrote as several
# files is not taken for small ones for ever.
SMALL_FILE_BYTES = 8 * 2**20


def small_files(table: Table) -> list[list[FileScanTask]]:
    """The data files below `SMALL_FILE_BYTES` of each partition that holds at least two of them."""
    partitions = _by_partition(table).values()
    groups = (
        [file for file in files if file.file.file_size_in_bytes < SMALL_FILE_BYTES] for files in partitions
    )
    return [group for group in groups if len(group) > 1]


def compact(table: Table, *, commit_id: str) -> int:
    """Let one file take the place of the small ones of each partition, in one commit; gives their number.

    Nothing small is no commit. Memory holds the small files of one partition. `commit_id` is kept with the
    snapshot, for people. Raises ConflictError when another writer was faster, ServiceError when the disk is
    full or the answer to the commit got lost; a second try begins from the table as it is then.
    """
    with usable_storage(table):
        groups = small_files(table)
        written = [
            file
            for group in groups
            for file in _dataframe_to_data_files(table.metadata, _read(table, group), table.io)
        ]
        replaced = [task.file for group in groups for task in group]
        if replaced:
            _replace(table, replaced, written, commit_id)
    return len(replaced)


def changed_partitions(before: Table, after: Table) -> list[str]:
    """The partitions that do not hold the same rows, each as often, in both states of a table.

    Files that both states have are not read: a data file never changes.
    """
    former, present = _by_partition(before), _by_partition(after)
    shared = _paths(former.values()) & _paths(present.values())
    return [
        str(partition)
        for partition in sorted({*former, *present}, key=str)
        if not _rows(before, former[partition], shared).equals(_rows(after, present[partition], shared))
    ]


def _by_partition(table: Table) -> defaultdict[Record, list[FileScanTask]]:
    found: defaultdict[Record, list[FileScanTask]] = defaultdict(list)
    for task in table.scan().plan_files():
        found[task.file.partition].append(task)
    return found


def _paths(partitions: Iterable[list[FileScanTask]]) -> set[str]:
    return {task.file.file_path for files in partitions for task in files}


def _read(table: Table, files: Sequence[FileScanTask]) -> pa.Table:
    return ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue()).to_table(files)


def _rows(table: Table, files: Sequence[FileScanTask], shared: set[str]) -> pl.DataFrame:
    """The rows of those files that are not shared, in an order that depends on nothing but them."""
    rows = pl.DataFrame(_read(table, [task for task in files if task.file.file_path not in shared]))
    return rows.sort(rows.columns)


def _replace(table: Table, replaced: Sequence[DataFile], written: Sequence[DataFile], commit_id: str) -> None:
    name = ".".join(table.name())
    try:
        with (
            table.transaction() as transaction,
            transaction.update_snapshot(snapshot_properties={COMMIT_ID: commit_id}).overwrite() as overwrite,
        ):
            for file in replaced:
                overwrite.delete_data_file(file)
            for file in written:
                overwrite.append_data_file(file)
    except CommitFailedException as error:
        raise ConflictError(
            f"another writer changed {name} while it was compacted: clear the whole run"
        ) from error
    except CommitStateUnknownException as error:
        raise ServiceError(
            f"nobody answered whether the compaction of {name} was committed: try again"
        ) from error
