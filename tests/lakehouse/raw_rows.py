"""Rows of raw tables as tests write and expect them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyiceberg.table import Table

from include.lakehouse import Merged, merge_rows
from include.schemas import RAW_TABLES, arrow_schema

Row = Mapping[str, Any]
FIRST_SEEN = datetime(2026, 1, 1, tzinfo=UTC)


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
        "first_seen_at": FIRST_SEEN,
        "ingested_at": FIRST_SEEN,
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
    rows = [
        {name: value.astimezone(UTC) if isinstance(value, datetime) else value for name, value in row.items()}
        for row in table.scan().to_arrow().to_pylist()
    ]
    by_key = {(row["site_id"], row["_id"]): row for row in rows}
    assert len(by_key) == len(rows), "a key is there twice"
    return by_key
