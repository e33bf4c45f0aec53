"""The tables `raw.*` in a catalog, made from their contracts."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table import Table

from include.errors import BranchError
from include.lakehouse.interface import RAW
from include.schemas import RAW_TABLES, iceberg_schema, partition_spec

# Old metadata files are not deleted at commit: another kept version may still name them. The sweep does it.
# Commits are not retried by PyIceberg: it would not look again for keys that another writer just added.
TABLE_PROPERTIES = {
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "8",
    "commit.retry.num-retries": "0",
    "write.metadata.delete-after-commit.enabled": "false",
    "write.metadata.previous-versions-max": "5",
}

Guard = Callable[[], AbstractContextManager[None]]


@contextmanager
def held(guard: Guard | None) -> Iterator[None]:
    """Hold a catalog's guard. Raises BranchError when the catalog may not change (any more)."""
    if guard is None:
        raise BranchError("this version of the lake is read-only: open a branch to change a table")
    with guard():
        yield


def raw_table(catalog: Catalog, guard: Guard | None, name: str) -> Table:
    """The table `raw.<name>`, created from its contract when absent, while `guard` is held.

    A table from before its contract gained columns gains them too, empty in every row.
    Raises BranchError when it has no contract.
    """
    if name not in RAW_TABLES:
        raise BranchError(f"there is no table raw.{name}: the contracts know {', '.join(sorted(RAW_TABLES))}")
    try:
        table = catalog.load_table((RAW, name))
    except NoSuchTableError:
        return _create(catalog, guard, name)
    _add_columns(table, name)
    return table


def _add_columns(table: Table, name: str) -> None:
    """Only what may be empty: no older row could fill a required column."""
    present = set(table.schema().column_names)
    missing = [field for field in iceberg_schema(RAW_TABLES[name]).fields if field.name not in present]
    if missing and not any(field.required for field in missing):
        with table.update_schema() as update:
            for field in missing:
                update.add_column(field.name, field.field_type, field.doc)


def _create(catalog: Catalog, guard: Guard | None, name: str) -> Table:
    contract = RAW_TABLES[name]
    with held(guard):
        with suppress(NamespaceAlreadyExistsError):
            catalog.create_namespace(RAW)
        try:
            return catalog.create_table(
                (RAW, name),
                iceberg_schema(contract),
                partition_spec=partition_spec(contract),
                properties=TABLE_PROPERTIES,
            )
        except TableAlreadyExistsError:  # another process was faster
            return catalog.load_table((RAW, name))
