"""What every lakehouse offers, whichever engine and catalog it runs on.

Words: a *version* was promoted and never changes again; `main` names one of them; a *branch* is a version
in the making, open to one run; a *reference* is any of the three.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from fsspec import AbstractFileSystem
from pyiceberg.table import Table

LAKE_FORMAT = 1  # raised whenever an older program could misread the lake

RAW = "raw"  # the namespace of the Iceberg tables, and the schema of their views
MODEL_SCHEMAS = ("bronze", "silver", "gold", "marts")  # written by dbt and by nobody else

BY_HAND = "by hand"  # instead of a run's id: a branch that a person made, and that stays until it is dropped
BRANCH_AGE = timedelta(days=1)  # how long a branch stays for inspection after it was opened
FILE_GRACE = timedelta(hours=1)  # an unreachable file younger than this may belong to a commit under way


@dataclass(frozen=True)
class Version:
    """A promoted state of all tables of all layers.

    `is_superseded`: main was rolled back past it, so its changes are not part of main.
    `format` is the LAKE_FORMAT it was written with.
    """

    name: str
    base: str | None
    run_id: str | None
    promoted_at: datetime
    is_main: bool
    is_superseded: bool
    format: int


@dataclass(frozen=True)
class BranchInfo:
    """A branch as `branches()` lists it. `base` is the version it was opened from, None on an empty lake."""

    name: str
    base: str | None
    run_id: str | None
    opened_at: datetime
    is_promoted: bool


@dataclass(frozen=True)
class Swept:
    """What a sweep removed: names of versions and branches, number of files."""

    versions: tuple[str, ...]
    branches: tuple[str, ...]
    file_count: int


class Reference(Protocol):
    """Read-only access to one version or branch. `at("main")` stays on the version it was opened on."""

    @property
    def name(self) -> str:
        """Name of the version or branch, never "main"."""

    def table(self, name: str) -> Table:
        """The Iceberg table `raw.<name>`. Raises BranchError when this reference has none."""

    def query(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> pa.Table:
        """The rows of one query over raw.*, bronze.*, silver.*, gold.*, marts.*; instants in UTC.

        `parameters` fill `?` (a sequence) or `$name` (a mapping). Only a single SELECT-like statement is
        run, and it can neither write nor read files outside the lake's tables. Raises InputError for
        anything else and for SQL that the engine refuses, with the engine's words.
        """

    def query_batches(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = (), *, rows: int = 100_000
    ) -> Iterator[pa.Table]:
        """Like `query`, in tables of at most about `rows` rows: for results too large to hold.

        While the iterator is open this reference answers nothing else, and on a branch nobody can write
        models: read it to its end or close it.
        """

    def copy_to_postgres(
        self, models: Sequence[tuple[str, str]], postgres: Mapping[str, Any], staging_schema: str
    ) -> dict[str, int]:
        """Copy each model (schema, table) to `staging_schema.table` in Postgres; gives rows per table.

        The counts are those of the lake. `postgres` holds libpq's names: host, port, user, password,
        dbname. The staging schema is there; tables of the same names in it are replaced, so a second try
        starts over. Raises PublishError, which never quotes the password.
        """


class Branch(Reference, Protocol):
    """A version in the making. One run writes it; nobody sees it before it is promoted."""

    @property
    def base(self) -> str | None:
        """The version it was opened from; None on an empty lake."""

    def table(self, name: str) -> Table:
        """The Iceberg table `raw.<name>`, created from its contract when absent.

        A commit raises BranchError once the branch was promoted, so that a late writer cannot touch main.
        """

    def refresh_views(self) -> None:
        """Let `raw.*` in the engine show the tables as they are now, empty ones too.

        Call it after the last commit to raw and before dbt. A second try finds nothing to do.
        """

    def ready_to_build(self) -> None:
        """Return once dbt can build here, and the engine works on nothing that an earlier try asked for.

        Raises ServiceError naming the service that is not usable, and BranchError as `table` does.
        """

    def blame_services(self, said: str) -> None:
        """Raises ServiceError when a service is behind what dbt said of a build that failed."""

    def dbt_environment(self) -> dict[str, str]:
        """Environment variables that make dbt build on this branch.

        They are the same for every branch: one that changes costs dbt a full parse. What differs is where
        dbt has to be run, `dbt_folder`.
        """

    def dbt_folder(self) -> Path:
        """The working directory in which dbt builds on this branch."""

    def head(self) -> str:
        """Fingerprint of everything on the branch: equal heads, equal tables."""

    def changed_tables(self) -> set[str]:
        """Names (without schema) of the raw tables that differ from the base."""

    def foreign_tables(self, models: Collection[str]) -> set[str]:
        """`schema.table` of whatever is neither a raw table of the contracts nor one of these models."""

    def drop_strangers(self, models: Collection[str]) -> set[str]:
        """Drop whatever lies in dbt's schemas and is none of these models; gives each as `schema.table`.

        Nothing else would: a branch starts as a copy, so a model that was removed or renamed would stay for
        ever. A second try finds nothing to do.
        """

    def expire(self, keep: int = 5) -> None:
        """Forget all but the last `keep` snapshots of each table, before `refresh_views` and promote.

        Commits nothing where there are no more. Files stay until a sweep finds them unreachable.
        """


class Lakehouse(Protocol):
    """All versions and branches of one lake. Every method may be called again after a crash."""

    def stage_folder(self) -> tuple[AbstractFileSystem, str]:
        """Where staged reads are kept, beside the lake: a file system, and a folder in it."""

    def main_version(self) -> str | None:
        """The version that main names; None before the first promote."""

    def history(self) -> list[Version]:
        """Versions that are kept, last promoted first; main is not the first one after a rollback."""

    def branches(self) -> list[BranchInfo]:
        """Open branches and kept versions, last opened first."""

    def open_branch(self, name: str, base: str | None, *, run_id: str | None = None) -> Branch:
        """A new branch from version `base` (None: from nothing). `name` comes from `branch_name`.

        A second try drops what is there under this name and starts again from `base`: pass the version
        that was recorded at the first try. Raises BranchError when `name` was promoted (clear the whole
        run) or `base` is not kept, InputError for a malformed name, ServiceError when the disk is full
        or the home cannot be written.
        """

    def branch(self, name: str) -> Branch:
        """An open branch. Raises BranchError when there is none, or when it was promoted."""

    def create_branch(self, name: str) -> None:
        """A branch of main for a person, which no run writes and no sweep removes.

        Raises InputError for an empty lake, a malformed name, and one that is taken.
        """

    def drop_branch(self, name: str) -> None:
        """Remove an open branch. Raises InputError for an unknown name and for versions.

        On Nessie ServiceError, too, when somebody else writes it just now: try again.
        """

    def promote(self, name: str, expected_head: str) -> None:
        """Make branch `name` the version that main names: all tables of all layers, or nothing.

        Nothing to do when that was done before. Raises ConflictError when main is no longer the branch's
        base, BranchError when the branch is missing, is being written, or its head is not `expected_head`,
        or when it was promoted and then rolled back. On Nessie ServiceError, too, when another process
        promotes it just now: try again.
        """

    def rollback(self, version: str) -> None:
        """Let main name an older kept version; versions after it stay listed as superseded until swept.

        Nothing to do when main is there already. Raises InputError, listing what is kept, for an unknown
        version. Branches that were open conflict at promote. What somebody else committed on main (on Nessie)
        stays listed too; raises BranchError, and main stays, when it cannot be kept.
        """

    def at(self, ref: str = "main") -> Reference:
        """Read-only access to main, a version or a branch. Raises InputError for an unknown reference."""

    def ask(self, sql: str, ref: str = "main") -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names of columns, and rows, of a person's query over main, a version or a branch.

        In the SQL of the engine: on Trino main is asked by Trino, all else by DuckDB. Raises InputError as
        `Reference.query` does, ServiceError when the engine is not usable.
        """

    def sweep(
        self,
        in_use: Collection[str] = (),
        *,
        branch_age: timedelta = BRANCH_AGE,
        file_grace: timedelta = FILE_GRACE,
    ) -> Swept:
        """Remove what nobody needs any more; may be killed and called again at any time.

        Kept: main, the last 7 versions, the last one of each of the last 7 days (UTC; on Nessie all of the
        last 7 days, and the last one of each day before), the bases of open
        branches, open branches made by hand, named by `in_use` or opened less than `branch_age` ago, what
        somebody else committed, every file that any of these can reach, and files younger than `file_grace`.
        """
