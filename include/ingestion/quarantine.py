"""`raw.quarantine` kept up to date: each document that could not be accepted, and whether it still is so."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa
from pyiceberg import expressions
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table

from include.ingestion.batch import BatchRead
from include.ingestion.raw_documents import MOST_KEYS
from include.ingestion.stage import Stage
from include.ingestion.validate import quarantined_rows
from include.schemas import RAW_TABLES, arrow_schema

Key = tuple[str, str, str]  # site_id, collection, payload_hash

_SCHEMA = arrow_schema(RAW_TABLES["quarantine"])
_KEY = RAW_TABLES["quarantine"].key
_LIGHT = (*_KEY, "document_id", "first_seen_at", "resolved_at")
_one_of: Callable[..., BooleanExpression] = expressions.In  # its own signature confuses the type checker


class Quarantine:
    """The quarantine of a branch with the changes that merged reads make to it. Take reads oldest first."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[Key, dict[str, Any]] = {}
        self._open: dict[tuple[str, str], dict[Key, str]] = defaultdict(dict)
        self._new: set[Key] = set()
        self._changed: set[Key] = set()
        if table.current_snapshot() is not None:
            for row in table.scan(selected_fields=_LIGHT).to_arrow().to_pylist():
                self._set(_key(row), row)

    def take(self, stage: Stage, one: BatchRead, run_id: str) -> None:
        """Add what this read quarantined; resolve what it accepted.

        A document that is known is not added again; one that was resolved is open again when it returns.
        """
        if one.validation.quarantined_count:
            for row in quarantined_rows(stage, one.read).iter_rows(named=True):
                self._add(row, one, run_id)
        self._resolve(one)

    def changes(self) -> Iterator[pa.Table]:
        """Rows to write: new ones, and known ones whose `resolved_at` changed."""
        if self._new:
            yield pa.Table.from_pylist([self._rows[key] for key in sorted(self._new)], schema=_SCHEMA)
        known = sorted(self._changed - self._new)
        for first in range(0, len(known), MOST_KEYS):
            keys = set(known[first : first + MOST_KEYS])
            hashes = _one_of("payload_hash", [payload_hash for _, _, payload_hash in keys])
            stored = [row for row in self._table.scan(hashes).to_arrow().to_pylist() if _key(row) in keys]
            rows = [row | {"resolved_at": self._rows[_key(row)]["resolved_at"]} for row in stored]
            yield pa.Table.from_pylist(rows, schema=_SCHEMA)

    def _set(self, key: Key, row: dict[str, Any]) -> None:
        self._rows[key] = row
        self._open[key[:2]].pop(key, None)
        if row["resolved_at"] is None and row["document_id"] is not None:
            self._open[key[:2]][key] = row["document_id"]

    def _add(self, row: dict[str, Any], one: BatchRead, run_id: str) -> None:
        key = _key(row)
        if key in self._rows:
            self._resolve_at(key, None)
            return
        self._new.add(key)
        kept = {name: row[name] for name in (*_KEY, "document_id", "document", "reasons", "document_at")}
        self._set(
            key,
            kept
            | {
                "window_start": one.window.start,
                "window_end": one.window.end,
                "read_id": one.read_id,
                "run_id": run_id,
                "first_seen_at": one.read.fetched_at,
                "resolved_at": None,
            },
        )

    def _resolve(self, one: BatchRead) -> None:
        """Close what is open for the documents this read accepted; a left-over only what it is newer than."""
        of = self._open[one.window.site_id, one.window.collection]
        accepted = _among(one.brought.identifiers, of.values())
        for key in [key for key, document_id in of.items() if document_id in accepted]:
            if one.is_own or self._rows[key]["first_seen_at"] <= one.read.fetched_at:
                self._resolve_at(key, one.read.fetched_at)

    def _resolve_at(self, key: Key, instant: datetime | None) -> None:
        row = self._rows[key]
        if row["resolved_at"] != instant:
            self._set(key, row | {"resolved_at": instant})
            self._changed.add(key)


def _among(identifiers: pl.Series, wanted: Iterable[str]) -> set[str]:
    names = pl.Series(sorted(set(wanted)), dtype=pl.String)
    return set(identifiers.filter(identifiers.is_in(names.implode()))) if len(names) else set()


def _key(row: dict[str, Any]) -> Key:
    return row["site_id"], row["collection"], row["payload_hash"]
