"""A lake of its own for each test, and rows to put into it."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import Table

from include.lakehouse import Branch, Lakehouse, Merged, merge_rows, open_lakehouse
from include.schemas import RAW_TABLES, arrow_schema
from include.settings import Settings

Row = Mapping[str, Any]
Merge = Callable[..., Merged]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def lakehouse(home: Path) -> Lakehouse:
    return open_lakehouse(Settings(_env_file=None, lakehouse_home=home))


@pytest.fixture
def branch(lakehouse: Lakehouse) -> Branch:
    return lakehouse.open_branch("first", None)


def entry(identity: str, at: datetime, *, site_id: str = "home", run: str = "run", **values: Any) -> Row:
    """A row of raw.glucose_entries; what is not given is null or plain."""
    return {
        "site_id": site_id,
        "_id": identity,
        "type": "sgv",
        "sgv": 100.0,
        "reading_at": at,
        "payload": "{}",
        "content_hash": f"{identity}-{values}",
        "first_seen_at": datetime(2026, 1, 1, tzinfo=UTC),
        "ingested_at": datetime(2026, 1, 1, tzinfo=UTC),
        "run_id": run,
        **values,
    }


def frame(rows: Iterable[Row], table: str = "glucose_entries") -> pa.Table:
    """Rows as the contract of `raw.<table>` has them."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(RAW_TABLES[table]))


def merge(table: Table, *batches: pa.Table, name: str = "glucose_entries", commit_id: str = "test") -> Merged:
    """`merge_rows` as the contract of `raw.<name>` says."""
    contract = RAW_TABLES[name]
    return merge_rows(
        table,
        batches,
        key=contract.key,
        instant=contract.instant,
        bookkeeping=contract.bookkeeping,
        commit_id=commit_id,
    )


def stored(table: Table) -> dict[tuple[str, str], Row]:
    """What the table holds, by site and _id; a key that is there twice fails."""
    rows = table.scan().to_arrow().to_pylist()
    by_key = {(row["site_id"], row["_id"]): row for row in rows}
    assert len(by_key) == len(rows), "a key is there twice"
    return by_key
