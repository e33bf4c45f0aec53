"""The Iceberg catalog of one version or branch: a SQLite file; data and metadata files are shared by all."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from sqlalchemy import create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from include.disk import full_disk, says_full
from include.errors import ServiceError
from include.lakehouse.raw_table import Guard, held


class VersionCatalog(SqlCatalog):
    """A SqlCatalog that keeps no connection open, and commits only while `guard` lets it.

    Whatever is asked of it raises ServiceError when its file cannot be written or read.
    """

    def __init__(self, database: Path, warehouse: Path, guard: Guard | None) -> None:
        self.guard = guard
        uri = f"sqlite:///file:{database}?mode=rw&uri=true"  # readers too must finish what a kill left
        with _usable(database):
            super().__init__("lake", uri=uri, warehouse=f"file://{warehouse}")
        self.engine.dispose()
        self.engine = create_engine(uri, poolclass=NullPool)  # nothing to close, nothing that a fork inherits

        @event.listens_for(self.engine, "handle_error")
        def tell(context: ExceptionContext) -> None:
            if isinstance(context.original_exception, sqlite3.OperationalError):
                raise _unusable(database, context.original_exception) from context.original_exception

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit while the guard is held. Raises BranchError when this catalog may not change."""
        with held(self.guard):
            return super().commit_table(table, requirements, updates)


def table_locations(database: Path) -> dict[str, str]:
    """Metadata file of every table, by `namespace.table`. Raises ServiceError."""
    with _usable(database), closing(sqlite3.connect(f"file:{database}?mode=rw", uri=True)) as connection:
        return dict(
            connection.execute(
                "select table_namespace || '.' || table_name, metadata_location from iceberg_tables"
            ).fetchall()
        )


@contextmanager
def _usable(database: Path) -> Iterator[None]:
    """Turn what SQLite says of its file into one sentence. Raises ServiceError."""
    try:
        yield
    except (sqlite3.OperationalError, OperationalError) as error:
        raise _unusable(database, error) from error


def _unusable(database: Path, error: sqlite3.OperationalError | OperationalError) -> ServiceError:
    if says_full(error):
        return full_disk(database)
    said = error.orig if isinstance(error, OperationalError) else error
    return ServiceError(f"{database} cannot be used ({said}): see that its disk is not full and run again")
