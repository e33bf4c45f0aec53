"""The rows to write into a raw table after a site's collection was merged in memory, read by read."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from include.ingestion.collection_merge import CollectionMerge
from include.ingestion.raw_documents import RawDocuments
from include.ingestion.stage import Stage
from include.ingestion.state import IN_RAW, LIVE, Documents
from include.ingestion.validate import accepted_rows
from include.schemas import COLLECTION_TABLE, RAW_TABLES, arrow_schema
from include.schemas.columns import INSTANT


def changed_rows(
    merge: CollectionMerge, stored: RawDocuments, stage: Stage, run_id: str
) -> Iterator[pa.Table]:
    """Every column of each document that the merge changed, once, in its last version; oldest windows first.

    Payloads come from one staged read at a time, and from raw for documents that only became tombstones.
    """
    schema = arrow_schema(RAW_TABLES[COLLECTION_TABLE[merge.collection]])
    state = merge.state
    ids = np.flatnonzero(state.is_touched & (state.source == IN_RAW))
    for part in stored.whole(merge.numbers.names(ids)):
        rows = pl.DataFrame(part).drop("deleted_at", "run_id")
        deleted = _bookkeeping(merge, ids, run_id).select("_id", "deleted_at", "run_id")
        yield _arrow(rows.join(deleted, on="_id"), schema)
    by_window = sorted(range(len(merge.reads)), key=lambda source: merge.reads[source].one.window.start)
    for source in by_window:
        documents = np.flatnonzero(state.is_touched & (state.source == source))
        if documents.size:
            rows = accepted_rows(stage, merge.reads[source].one.read)
            bookkeeping = _bookkeeping(merge, documents, run_id)
            yield _arrow(rows.join(bookkeeping, on=("row_number", "_id")), schema)


def _bookkeeping(merge: CollectionMerge, documents: Documents, run_id: str) -> pl.DataFrame:
    state = merge.state
    deleted = pl.Series(state.deleted_us[documents])
    return pl.DataFrame(
        {
            "_id": merge.numbers.names(documents),
            "row_number": state.row_number[documents],
            "first_seen_at": pl.Series(state.first_seen_us[documents]).cast(INSTANT),
            "ingested_at": pl.Series(state.ingested_us[documents]).cast(INSTANT),
            "deleted_at": deleted.replace(LIVE, None).cast(INSTANT),
        }
    ).with_columns(run_id=pl.lit(run_id))


def _arrow(rows: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    return rows.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
