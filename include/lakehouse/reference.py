"""One version or branch of the embedded lake: a folder with a catalog and a DuckDB file."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from include.disk import usable_disk
from include.errors import BranchError
from include.lakehouse.catalog import VersionCatalog, table_locations
from include.lakehouse.engine import FILE, LOGS, Engine, Parameters, drop_tables, show_tables, writing
from include.lakehouse.extensions import extension_directory
from include.lakehouse.interface import MODEL_SCHEMAS, RAW
from include.lakehouse.postgres_copy import copy_models
from include.lakehouse.raw_table import raw_table
from include.lakehouse.upkeep import expire_snapshots
from include.lakehouse.versions import Versions
from include.schemas import RAW_TABLES

CATALOG_FILE = "catalog.db"


class EmbeddedReference:
    """Read-only; stays on its folder whatever main names later. See `interface.Reference`."""

    def __init__(self, home: Path, versions: Versions, name: str) -> None:
        self.name = name
        self.folder = versions.path(name)
        self._home = home
        self._versions = versions
        self._engine = Engine(home, self.folder / FILE, versions.warehouse)

    def table(self, name: str) -> Table:
        """See `interface.Reference.table`."""
        try:
            return self._catalog.load_table((RAW, name))
        except NoSuchTableError:
            raise BranchError(f"{self.name} has no table raw.{name}") from None

    def query(self, sql: str, parameters: Parameters = ()) -> pa.Table:
        """See `interface.Reference.query`."""
        return pa.concat_tables(self.query_batches(sql, parameters))

    def query_batches(
        self, sql: str, parameters: Parameters = (), *, rows: int = 100_000
    ) -> Iterator[pa.Table]:
        """See `interface.Reference.query_batches`."""
        return self._engine.tables(sql, parameters, rows)

    def copy_to_postgres(
        self, models: Sequence[tuple[str, str]], postgres: Mapping[str, Any], staging_schema: str
    ) -> dict[str, int]:
        """See `interface.Reference.copy_to_postgres`."""
        return copy_models(self._home, self.folder / FILE, models, postgres, staging_schema)

    def head(self) -> str:
        """Fingerprint of the tables' metadata and of the engine's file, its logs included."""
        digest = sha256(repr(sorted(self.locations().items())).encode())
        for path in map(self.folder.joinpath, (FILE, *LOGS)):
            if path.exists():
                with path.open("rb") as file:
                    while chunk := file.read(1 << 20):
                        digest.update(chunk)
        return digest.hexdigest()

    def locations(self) -> dict[str, str]:
        """Metadata file of each Iceberg table, by `namespace.table`."""
        return table_locations(self.folder / CATALOG_FILE)

    @cached_property
    def _catalog(self) -> VersionCatalog:
        return VersionCatalog(self.folder / CATALOG_FILE, self._versions.warehouse, None)


class EmbeddedBranch(EmbeddedReference):
    """A branch that is not promoted. See `interface.Branch`."""

    def __init__(self, home: Path, versions: Versions, name: str, base: str | None) -> None:
        super().__init__(home, versions, name)
        self.base = base

    def table(self, name: str) -> Table:
        """See `interface.Branch.table`."""
        return raw_table(self._catalog, self._catalog.guard, name)

    def refresh_views(self) -> None:
        """See `interface.Branch.refresh_views`."""
        locations = {name: self.table(name).metadata_location for name in RAW_TABLES}
        with (
            usable_disk(self.folder),
            self._unpromoted(),
            writing(self._home, self.folder / FILE) as connection,
        ):
            show_tables(connection, locations)

    def ready_to_build(self) -> None:
        """See `interface.Branch.ready_to_build`: the engine is this process, and its file is locked.

        What models made before goes: dbt would keep each until its successor is there, and the file would be
        twice as large for ever.
        """
        with self._unpromoted():
            models = [found for found in self._in_the_engine() if found[0] in MODEL_SCHEMAS]
        self._drop(models)

    def blame_services(self, said: str) -> None:
        """See `interface.Branch.blame_services`: there are none."""

    def dbt_environment(self) -> dict[str, str]:
        """See `interface.Branch.dbt_environment`."""
        return {
            "LAKEHOUSE_DUCKDB_PATH": FILE,
            "LAKEHOUSE_DUCKDB_EXTENSIONS": str(extension_directory(self._home)),
        }

    def dbt_folder(self) -> Path:
        """See `interface.Branch.dbt_folder`."""
        return self.folder

    def changed_tables(self) -> set[str]:
        """See `interface.Branch.changed_tables`."""
        before = table_locations(self._versions.path(self.base) / CATALOG_FILE) if self.base else {}
        now = self.locations()
        return {name.removeprefix(f"{RAW}.") for name in before | now if before.get(name) != now.get(name)}

    def foreign_tables(self, models: Collection[str]) -> set[str]:
        """See `interface.Branch.foreign_tables`."""
        owned = {f"{RAW}.{name}" for name in RAW_TABLES} | set(models)
        inside = {f"{schema}.{name}" for schema, name, _ in self._in_the_engine()}
        return (inside | set(self.locations())) - owned

    def drop_strangers(self, models: Collection[str]) -> set[str]:
        """See `interface.Branch.drop_strangers`."""
        strangers = [
            (schema, name, kind)
            for schema, name, kind in self._in_the_engine()
            if schema in MODEL_SCHEMAS and f"{schema}.{name}" not in models
        ]
        if strangers:
            self._drop(strangers)
        return {f"{schema}.{name}" for schema, name, _ in strangers}

    def _drop(self, tables: Sequence[tuple[str, str, str]]) -> None:
        with (
            usable_disk(self.folder),
            self._unpromoted(),
            writing(self._home, self.folder / FILE) as connection,
        ):
            drop_tables(connection, tables)

    def _in_the_engine(self) -> list[tuple[str, str, str]]:
        """Schema, name and kind of every table and view."""
        rows = self.query(
            "select schema_name, table_name as name, 'table' as kind from duckdb_tables()"
            " where database_name = current_database() and not internal"
            " union all select schema_name, view_name, 'view' from duckdb_views()"
            " where database_name = current_database() and not internal"
        )
        return [(row["schema_name"], row["name"], row["kind"]) for row in rows.to_pylist()]

    def expire(self, keep: int = 5) -> None:
        """See `interface.Branch.expire`."""
        for name in RAW_TABLES:
            expire_snapshots(self.table(name), keep)

    @cached_property
    def _catalog(self) -> VersionCatalog:
        return VersionCatalog(self.folder / CATALOG_FILE, self._versions.warehouse, self._unpromoted)

    @contextmanager
    def _unpromoted(self) -> Iterator[None]:
        with self._versions.changing(shared=True):
            record = self._versions.record(self.name)
            if record is None or record.promoted_at is not None:
                raise BranchError(f"branch {self.name} was promoted or removed: clear the whole run")
            yield
