"""The ledger of one site's collection as a whole: raw, as read back, against what the run merged."""

from collections.abc import Callable, Iterator, Sequence

import polars as pl
from pyiceberg import expressions
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table

from include.ingestion.ledger_entries import Entry
from include.ingestion.raw_documents import RawDocuments

_equal: Callable[..., BooleanExpression] = expressions.EqualTo  # its own signature confuses the type checker


def collection_problems(entries: Sequence[Entry], before: Table | None, after: Table) -> Iterator[str]:
    """What is wrong with the raw table `after` the run; `entries` are all of one collection, in order."""
    site_id, collection = entries[0].place
    name = f"{site_id} {collection}"
    rows = _identities(after, site_id)
    if rows["_id"].n_unique() != len(rows):
        yield f"{name}: raw holds {len(rows)} rows of {rows['_id'].n_unique()} documents"
    live_before, live_after = _live_count(_identities(before, site_id)), _live_count(rows)
    gained = sum(entry.gained for entry in entries)
    if live_after != live_before + gained:
        yield (
            f"{name}: {live_before} live documents before and {gained:+d} by the outcomes,"
            f" but raw holds {live_after} live ones"
        )
    if live_before not in {entry.outcome["live_before"] for entry in entries}:
        yield f"{name}: {live_before} were live before, which no outcome starts from"
    stored = RawDocuments(after, site_id, collection)
    last = _last_accepted(entries)
    yield from _content_problems(name, last, stored.light([], last["_id"]))


def _identities(table: Table | None, site_id: str) -> pl.DataFrame:
    columns = ("_id", "deleted_at")
    if table is None or table.current_snapshot() is None:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return pl.DataFrame(table.scan(_equal("site_id", site_id), selected_fields=columns).to_arrow())


def _live_count(rows: pl.DataFrame) -> int:
    return rows["deleted_at"].null_count()


def _last_accepted(entries: Sequence[Entry]) -> pl.DataFrame:
    """`_id, content_hash, is_valid` of the last accepted version of each document, and where it came from."""
    versions = pl.concat(
        entry.accepted.with_columns(
            fetched_at=pl.lit(entry.read.fetched_at), is_own=pl.lit(entry.is_own), entry=pl.lit(str(entry))
        )
        for entry in entries
    )
    return versions.unique("_id", keep="last", maintain_order=True)


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
