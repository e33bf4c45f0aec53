"""The ledger of one site's collection as a whole: raw, as read back, against what the run merged."""

from collections.abc import Callable, Iterator, Sequence

import polars as pl
from pyiceberg import expressions
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table

from include.ingestion.ledger_entries import Entry
from include.ingestion.outcomes import WINDOW
from include.ingestion.raw_documents import RawDocuments

ROWS_AT_A_TIME = 100_000
_equal: Callable[..., BooleanExpression] = expressions.EqualTo  # its own signature confuses the type checker


def collection_problems(entries: Sequence[Entry], before: Table | None, after: Table) -> Iterator[str]:
    """What is wrong with the raw table `after` the run; `entries` are all of one collection, newest first."""
    site_id, collection = entries[0].place
    name = f"{site_id} {collection}"
    yield from _live_problems(name, entries, _identities(before, site_id), _identities(after, site_id))
    for part, last in _last_accepted(entries):
        windows = [entry.read.window for entry in part if entry.read.kind == WINDOW]
        stored = RawDocuments(after, site_id, collection).light(windows, last["_id"])
        yield from _content_problems(name, last, stored)


def _live_problems(
    name: str, entries: Sequence[Entry], before: pl.DataFrame, after: pl.DataFrame
) -> Iterator[str]:
    if after["_id"].n_unique() != len(after):
        yield f"{name}: raw holds {len(after)} rows of {after['_id'].n_unique()} documents"
    live_before, live_after = before["deleted_at"].null_count(), after["deleted_at"].null_count()
    gained = sum(entry.gained for entry in entries)
    if live_after != live_before + gained:
        yield (
            f"{name}: {live_before} live documents before and {gained:+d} by the outcomes,"
            f" but raw holds {live_after} live ones"
        )
    if live_before not in {entry.outcome["live_before"] for entry in entries}:
        yield f"{name}: {live_before} were live before, which no outcome starts from"


def _identities(table: Table | None, site_id: str) -> pl.DataFrame:
    columns = ("_id", "deleted_at")
    if table is None or table.current_snapshot() is None:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return pl.DataFrame(table.scan(_equal("site_id", site_id), selected_fields=columns).to_arrow())


def _last_accepted(entries: Sequence[Entry]) -> Iterator[tuple[list[Entry], pl.DataFrame]]:
    """The last accepted version of each document, in parts that fit in memory, with the entries of each.

    `entries` newest first. Columns `_id, content_hash, is_valid`, and where the version came from.
    """
    part: list[Entry] = []
    rows = pl.DataFrame()
    seen = pl.Series([], dtype=pl.UInt64)
    for entry in entries:
        part.append(entry)
        last = entry.accepted().unique("_id", keep="last", maintain_order=True)
        last = last.with_columns(
            number=pl.col("_id").hash(),  # 8 bytes a document, to know it again
            fetched_at=pl.lit(entry.read.fetched_at),
            is_own=pl.lit(entry.is_own),
            entry=pl.lit(str(entry)),
        ).filter(~pl.col("number").is_in(seen.implode()))
        seen = pl.concat([seen, last["number"]])
        rows = pl.concat([rows, last]) if len(rows) else last
        if len(rows) >= ROWS_AT_A_TIME:
            yield part, rows
            part, rows = [], pl.DataFrame()
    if len(rows):
        yield part, rows


def _content_problems(name: str, last: pl.DataFrame, stored: pl.DataFrame) -> Iterator[str]:
    found = last.join(stored, on="_id", how="left", suffix="_stored", maintain_order="left")
    changed_at = pl.max_horizontal("ingested_at", "deleted_at")
    is_newer = ~pl.col("is_own") & (changed_at > pl.col("fetched_at"))
    is_same = pl.col("content_hash") == pl.col("content_hash_stored")
    wrong = {
        "accepted, but not in raw": pl.col("content_hash_stored").is_null(),
        "in raw in another version than the last accepted": ~is_same & ~is_newer,
        "marked invalid, but live in raw": is_same & ~pl.col("is_valid") & pl.col("deleted_at").is_null(),
    }
    for what, condition in wrong.items():
        documents = found.filter(condition)
        if len(documents):
            example = documents.row(0, named=True)
            yield f"{name}: {len(documents)} documents {what}, such as {example['_id']} of {example['entry']}"
