"""One version or branch of the lake on Nessie."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from include.errors import BranchError, ServiceError
from include.lakehouse.engine import Parameters
from include.lakehouse.interface import MODEL_SCHEMAS, RAW
from include.lakehouse.nessie.api import NAMESPACE, ChangedError, GoneError, Json, Nessie, table_locations
from include.lakehouse.nessie.branches import Branches
from include.lakehouse.nessie.catalog import NessieCatalog, contracted_table
from include.lakehouse.nessie.postgres_copy import copy_models
from include.lakehouse.nessie.reader import Reader
from include.lakehouse.nessie.stage_files import demand_bucket
from include.lakehouse.nessie.trino import (
    MAIN_CATALOG,
    PIPELINE,
    WORKING_CATALOG,
    Trino,
    failed_by_itself,
)
from include.lakehouse.nessie.versions import MAIN, WORKING, Versions
from include.schemas import RAW_TABLES
from include.stack.connection import LakeConnection


@dataclass(frozen=True)
class Services:
    """What every reference of one lake works with."""

    connection: LakeConnection
    nessie: Nessie
    versions: Versions
    branches: Branches
    trino: Trino
    reader: Reader
    dbt_folder: Path


class NessieReference:
    """Read-only. See `interface.Reference`. `locate` gives the hash that it shows at the moment."""

    def __init__(self, services: Services, name: str, locate: Callable[[], str]) -> None:
        self.name = name
        self._services = services
        self._locate = locate
        self._read: tuple[str, dict[tuple[str, ...], Json]] = ("", {})

    def table(self, name: str) -> Table:
        """See `interface.Reference.table`."""
        try:
            catalog = NessieCatalog(self._services.connection, f"@{self.head()}")
            table: Table = catalog.load_table((RAW, name))
        except NoSuchTableError:
            raise BranchError(f"{self.name} has no table raw.{name}") from None
        return table

    def query(self, sql: str, parameters: Parameters = ()) -> pa.Table:
        """See `interface.Reference.query`."""
        return pa.concat_tables(self.query_batches(sql, parameters))

    def query_batches(
        self, sql: str, parameters: Parameters = (), *, rows: int = 100_000
    ) -> Iterator[pa.Table]:
        """See `interface.Reference.query_batches`."""
        return self._services.reader.tables(table_locations(self._contents()), sql, parameters, rows)

    def copy_to_postgres(
        self, models: Sequence[tuple[str, str]], postgres: Mapping[str, Any], staging_schema: str
    ) -> dict[str, int]:
        """See `interface.Reference.copy_to_postgres`. Raises PublishError unless Trino can see this state."""
        head = self.head()
        shown = {MAIN_CATALOG: MAIN, WORKING_CATALOG: WORKING}
        return copy_models(
            self._services.trino,
            {catalog: partial(self._is_at, branch, head) for catalog, branch in shown.items()},
            models,
            str(postgres.get("password", "")),
            staging_schema,
        )

    def head(self) -> str:
        """The hash: of two equal ones all tables are equal."""
        return self._locate()

    def _contents(self) -> dict[tuple[str, ...], Json]:
        """All keys at the hash, which never change."""
        head = self.head()
        if self._read[0] != head:
            try:
                self._read = head, self._services.nessie.contents(f"@{head}")
            except GoneError as error:
                raise BranchError(f"{self.name} is gone from Nessie ({error.said})") from None
        return self._read[1]

    def _is_at(self, branch: str, head: str) -> bool:
        ref = self._services.nessie.reference(branch)
        return ref is not None and ref.hash == head


class NessieBranch(NessieReference):
    """A branch that is not promoted. See `interface.Branch`."""

    def __init__(self, services: Services, name: str, base: str | None, base_hash: str) -> None:
        super().__init__(services, name, partial(services.branches.head, name))
        self.base = base
        self._base_hash = base_hash

    def table(self, name: str) -> Table:
        """See `interface.Branch.table`. Raises ContractError when somebody made it with other columns."""
        self._services.branches.working(self.name)
        return contracted_table(self._catalog, name)

    def refresh_views(self) -> None:
        """See `interface.Branch.refresh_views`: dbt needs every table and column."""
        self._services.branches.working(self.name)
        for name in RAW_TABLES:
            self.table(name)

    def ready_to_build(self) -> None:
        """See `interface.Branch.ready_to_build`."""
        self._services.branches.working(self.name)
        demand_bucket(self._services.connection)
        self._services.trino.kill_left_over()

    def blame_services(self, said: str) -> None:
        """See `interface.Branch.blame_services`: one that is down, or was and is back by now."""
        self.ready_to_build()
        if failed_by_itself(said):
            raise ServiceError(
                f"Trino on {self._services.trino.address} could not do its work, which may pass: {said}"
            )

    def dbt_environment(self) -> dict[str, str]:
        """See `interface.Branch.dbt_environment`."""
        return {
            # Their readers' unit tests give rows to steps, which are no tables here: `make test` runs them.
            "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
            "LAKEHOUSE_TRINO_HOST": self._services.trino.host,
            "LAKEHOUSE_TRINO_PORT": str(self._services.trino.port),
            "LAKEHOUSE_TRINO_USER": PIPELINE,
            "LAKEHOUSE_TRINO_CATALOG": WORKING_CATALOG,
        }

    def dbt_folder(self) -> Path:
        """See `interface.Branch.dbt_folder`."""
        self._services.dbt_folder.mkdir(parents=True, exist_ok=True)
        return self._services.dbt_folder

    def changed_tables(self) -> set[str]:
        """See `interface.Branch.changed_tables`."""
        before = table_locations(self._services.nessie.contents(f"@{self._base_hash}"))
        now = table_locations(self._contents())
        changed = {name for name in before | now if before.get(name) != now.get(name)}
        return {name.removeprefix(f"{RAW}.") for name in changed if name.startswith(f"{RAW}.")}

    def foreign_tables(self, models: Collection[str]) -> set[str]:
        """See `interface.Branch.foreign_tables`; of views and functions too."""
        return self._names() - {f"{RAW}.{name}" for name in RAW_TABLES} - set(models)

    def drop_strangers(self, models: Collection[str]) -> set[str]:
        """See `interface.Branch.drop_strangers`."""
        head = self._services.branches.working(self.name).hash
        strangers = {name for name in self._names() - set(models) if name.split(".")[0] in MODEL_SCHEMAS}
        if strangers:
            operations = [
                {"type": "DELETE", "key": {"elements": name.split(".", 1)}} for name in sorted(strangers)
            ]
            try:
                self._services.nessie.commit(WORKING, head, "Drop what is no model any more", operations, {})
            except ChangedError as error:
                raise BranchError(
                    f"somebody else writes branch {self.name} ({error.said}): try again"
                ) from None
        return strangers

    def expire(self, keep: int = 5) -> None:
        """See `interface.Branch.expire`: there is one snapshot a table, what Nessie hides others may need."""

    def _names(self) -> set[str]:
        return {".".join(key) for key, content in self._contents().items() if content["type"] != NAMESPACE}

    @cached_property
    def _catalog(self) -> NessieCatalog:
        return NessieCatalog(self._services.connection, WORKING, self._writable)

    @contextmanager
    def _writable(self) -> Iterator[None]:
        self._services.branches.working(self.name)
        yield
