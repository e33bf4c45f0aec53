"""The embedded lakehouse: PyIceberg on SQLite, DuckDB, and a folder of versions on the local disk.

A branch is a copy of its base's catalog and DuckDB file; Iceberg's files never change, so they are shared.
Promoting replaces one symbolic link. The home cannot be moved: catalogs and views hold absolute paths.
"""

from collections.abc import Collection
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from include.disk import flush
from include.errors import BranchError, ConflictError, InputError
from include.lakehouse.catalog import VersionCatalog
from include.lakehouse.engine import FILE, rows_of, writing
from include.lakehouse.interface import BRANCH_AGE, BY_HAND, FILE_GRACE, BranchInfo, Swept, Version
from include.lakehouse.names import checked_name, lake_is_empty, name_is_taken
from include.lakehouse.reference import CATALOG_FILE, EmbeddedBranch, EmbeddedReference
from include.lakehouse.upkeep import kept_names, remove_unreachable
from include.lakehouse.versions import Record, Versions, history


class EmbeddedLakehouse:
    """See `interface.Lakehouse`; everything lies below `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._versions = Versions(self._home / "lake")

    def stage_folder(self) -> tuple[LocalFileSystem, str]:
        """See `interface.Lakehouse.stage_folder`."""
        return LocalFileSystem(), str(self._home / "stage")

    def main_version(self) -> str | None:
        """See `interface.Lakehouse.main_version`."""
        return self._versions.main()

    def history(self) -> list[Version]:
        """See `interface.Lakehouse.history`."""
        records, main = self._versions.records(), self._versions.main()
        ancestors = {name for record in records if record.name == main for name in record.lineage}
        return history(records, main, {record.name for record in records} - ancestors - {main})

    def branches(self) -> list[BranchInfo]:
        """See `interface.Lakehouse.branches`."""
        return [record.as_branch() for record in self._versions.records()]

    def open_branch(self, name: str, base: str | None, *, run_id: str | None = None) -> EmbeddedBranch:
        """See `interface.Lakehouse.open_branch`."""
        checked_name(name)
        with self._versions.changing():
            record = self._versions.record(name)
            if record is not None and record.promoted_at is not None:
                raise BranchError(f"branch {name} was promoted already: clear the whole run to start it anew")
            self._versions.create(name, base, run_id, self._make_empty)
        return EmbeddedBranch(self._home, self._versions, name, base)

    def branch(self, name: str) -> EmbeddedBranch:
        """See `interface.Lakehouse.branch`."""
        record = self._versions.record(name)
        if record is None:
            raise BranchError(f"there is no branch {name}: clear the whole run to start it anew")
        if record.promoted_at is not None:
            raise BranchError(f"branch {name} was promoted already: clear the whole run to start it anew")
        return EmbeddedBranch(self._home, self._versions, name, record.base)

    def create_branch(self, name: str) -> None:
        """See `interface.Lakehouse.create_branch`."""
        checked_name(name)
        with self._versions.changing():
            if self._versions.record(name) is not None:
                raise name_is_taken(name)
            main = self._versions.main()
            if main is None:
                raise lake_is_empty()
            self._versions.create(name, main, BY_HAND, self._make_empty)

    def drop_branch(self, name: str) -> None:
        """See `interface.Lakehouse.drop_branch`."""
        with self._versions.changing():
            record = self._versions.record(name)
            if record is None:
                raise InputError(f"there is no branch {name}; open ones: {self._listed(is_promoted=False)}")
            if record.promoted_at is not None:
                raise InputError(
                    f"{name} is a version of the lake, not an open branch; sweeps remove versions"
                )
            self._versions.remove(name)

    def promote(self, name: str, expected_head: str) -> None:
        """See `interface.Lakehouse.promote`."""
        with self._versions.changing():
            main = self._versions.main()
            record = self._versions.record(name)
            if record is None:
                raise BranchError(f"there is no branch {name}: clear the whole run to start it anew")
            if record.promoted_at is not None:
                self._check_part_of_main(record, main)
                return
            if record.base != main:
                raise ConflictError(
                    f"main is {main}, but branch {name} was opened from {record.base}: nothing was promoted, "
                    "clear the whole run"
                )
            if EmbeddedReference(self._home, self._versions, name).head() != expected_head:
                raise BranchError(f"branch {name} changed after its audit: clear the whole run")
            self._close_log(self._versions.path(name))
            self._flush(record)
            self._versions.make_main(name)

    def rollback(self, version: str) -> None:
        """See `interface.Lakehouse.rollback`."""
        with self._versions.changing():
            record = self._versions.record(version)
            if record is None or record.promoted_at is None:
                raise InputError(f"there is no version {version}; kept are: {self._listed(is_promoted=True)}")
            if self._versions.main() != version:
                self._versions.make_main(version)

    def at(self, ref: str = "main") -> EmbeddedReference:
        """See `interface.Lakehouse.at`."""
        name = self._versions.main() if ref == "main" else ref
        if name is None:
            raise InputError("the lake is empty: nothing was promoted yet, `make run` loads the first days")
        if ref != "main" and self._versions.record(checked_name(ref)) is None:
            known = ", ".join(branch.name for branch in self.branches()) or "none"
            raise InputError(f"there is no version or branch {ref}; known besides main: {known}")
        return EmbeddedReference(self._home, self._versions, name)

    def ask(self, sql: str, ref: str = "main") -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `interface.Lakehouse.ask`."""
        return rows_of(self.at(ref).query(sql))

    def sweep(
        self,
        in_use: Collection[str] = (),
        *,
        branch_age: timedelta = BRANCH_AGE,
        file_grace: timedelta = FILE_GRACE,
    ) -> Swept:
        """See `interface.Lakehouse.sweep`."""
        with self._versions.changing():
            records = self._versions.records()
            kept = kept_names(records, self._versions.main(), in_use, branch_age, datetime.now(UTC))
            dropped = [record for record in records if record.name not in kept]
            for record in dropped:
                self._versions.remove(record.name)
            catalogs = [self._versions.path(r.name) / CATALOG_FILE for r in records if r.name in kept]
            file_count = remove_unreachable(self._versions.warehouse, catalogs, file_grace)
        return Swept(
            versions=tuple(record.name for record in dropped if record.promoted_at is not None),
            branches=tuple(record.name for record in dropped if record.promoted_at is None),
            file_count=file_count,
        )

    def _make_empty(self, folder: Path) -> None:
        (folder / CATALOG_FILE).touch()
        VersionCatalog(folder / CATALOG_FILE, self._versions.warehouse, nullcontext)
        self._close_log(folder)

    def _close_log(self, folder: Path) -> None:
        """Let DuckDB make its file whole, alone. Raises BranchError while others write it, ServiceError."""
        with writing(self._home, folder / FILE):
            pass  # opening and closing is all it needs

    def _check_part_of_main(self, record: Record, main: str | None) -> None:
        successor = self._versions.record(main) if main else None
        if record.name != main and (successor is None or record.name not in successor.lineage):
            raise BranchError(f"{record.name} was promoted and then rolled back: clear the whole run")

    def _flush(self, record: Record) -> None:
        """What main will reach must survive a power cut before main reaches it."""
        folder, since = self._versions.path(record.name), record.opened_at.timestamp() - 1
        for path in [*folder.iterdir(), folder, folder.parent]:
            flush(path)
        for path in self._versions.warehouse.rglob("*"):
            if path.stat().st_mtime >= since:
                flush(path)

    def _listed(self, *, is_promoted: bool) -> str:
        return ", ".join(b.name for b in self.branches() if b.is_promoted is is_promoted) or "none"
