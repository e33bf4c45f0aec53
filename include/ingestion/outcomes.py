"""What became of every staged read, as `raw.ingest_outcomes` tells: coverage, progress, origins."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import polars as pl
from pyiceberg.table import Table

from include.ingestion.spans import Span, join_spans
from include.nightscout.windows import DAY_COLLECTIONS, Collection, Window
from include.schemas import RAW_TABLES

MERGED = "merged"
FAILED = "failed"
LEFT_OUT = "left_out"
SET_ASIDE = "set_aside"

WINDOW = "window"
LOOK_UP = "look_up"
MOVE = "move"  # a person accepted that a site has another origin; no documents were read

DEMO_ORIGIN = "demo"

COUNTS = (
    "document_count",
    "accepted_count",
    "quarantined_count",
    "inserted_count",
    "updated_count",
    "unchanged_count",
    "revived_count",
    "retired_count",
    "retired_live_count",
    "superseded_count",
    "tombstoned_count",
    "kept_missing_count",
)

_COLUMNS = (
    "read_id",
    "site_id",
    "collection",
    "kind",
    "origin",
    "window_start",
    "window_end",
    "fetched_at",
    "lease_number",
    "status",
    "message",
)
_SCHEMA = {name: RAW_TABLES["ingest_outcomes"].schema.columns[name].dtype.type for name in _COLUMNS}


def left_out_by_name(reasons: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """What reads that came to nothing leave out, from site, collection and reason of each; the last one wins.

    Named by site, or by site and collection (`home profile`) where the rest of the site goes on.
    """
    listed = list(reasons)
    sites = {site_id: reason for site_id, collection, reason in listed if collection in DAY_COLLECTIONS}
    parts = {
        f"{site_id} {collection}": reason for site_id, collection, reason in listed if site_id not in sites
    }
    return sites | parts


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of one version or branch, without their counts: one row a staged read."""

    rows: pl.DataFrame

    @classmethod
    def empty(cls) -> Self:
        """Those of a lake that has no version yet."""
        return cls(pl.DataFrame(schema=_SCHEMA))

    @classmethod
    def read(cls, table: Table) -> Self:
        """Those of the table `raw.ingest_outcomes` of a version or branch."""
        if table.current_snapshot() is None:
            return cls.empty()
        frame = pl.DataFrame(table.scan(selected_fields=_COLUMNS).to_arrow())
        return cls(frame.select(pl.col(name).cast(dtype) for name, dtype in _SCHEMA.items()))

    def merged_reads(self) -> set[str]:
        """`read_id` of every read whose documents are in raw or in quarantine."""
        return set(self._merged()["read_id"])

    def merged_before(self, instant: datetime) -> set[str]:
        """`read_id` of every read that a run merged which read or tried nothing since this instant.

        A left-over may have been fetched long before it was merged; what its run tried itself was not.
        """
        runs = self.rows.with_columns(pl.col("fetched_at").max().over("lease_number").alias("run_at"))
        old = runs.filter(pl.col("status") == MERGED, pl.col("run_at") < instant)
        return set(old["read_id"])

    def whole(self) -> dict[tuple[str, Collection], list[Span]]:
        """What windows read whole cover, per site and collection: disjoint half-open spans, ascending."""
        spans: dict[tuple[str, Collection], list[Span]] = defaultdict(list)
        windows = self._windows().select("site_id", "collection", "window_start", "window_end")
        for site_id, collection, start, end in windows.iter_rows():
            spans[site_id, Collection(collection)].append((start, end))
        return {of: join_spans(found) for of, found in spans.items()}

    def read_since(self, window: Window, fetched_at: datetime) -> list[Window]:
        """The windows merged here that were read later than this and overlap the window."""
        found = self._windows().filter(
            pl.col("site_id") == window.site_id,
            pl.col("collection") == window.collection.value,
            pl.col("fetched_at") > fetched_at,
            pl.col("window_start") < window.end,
            pl.col("window_end") > window.start,
        )
        spans = found.select("window_start", "window_end").iter_rows()
        return [Window(window.site_id, window.collection, start, end) for start, end in spans]

    def data_through(self, site_id: str) -> datetime | None:
        """How far the site's data reaches: the least, over entries and treatments, of the greatest end of a
        window read whole. None until both have one."""
        spans = self.whole()
        ends = [spans[site_id, of][-1][1] for of in DAY_COLLECTIONS if (site_id, of) in spans]
        return min(ends) if len(ends) == len(DAY_COLLECTIONS) else None

    def origins(self) -> dict[str, str]:
        """The origin each site id is bound to: that of its first merged outcome, or of its last move."""
        merged = self._merged().sort("lease_number", "fetched_at", "read_id")
        first = merged.group_by("site_id", maintain_order=True).first()
        moves = merged.filter(pl.col("kind") == MOVE).sort("fetched_at")  # when it was accepted
        moved = moves.group_by("site_id", maintain_order=True).last()
        return dict(first.select("site_id", "origin").iter_rows()) | dict(
            moved.select("site_id", "origin").iter_rows()
        )

    def real_sites(self) -> list[str]:
        """Ids of the sites in this lake that are not the demo site, sorted."""
        return sorted(site_id for site_id, origin in self.origins().items() if origin != DEMO_ORIGIN)

    def _merged(self) -> pl.DataFrame:
        return self.rows.filter(pl.col("status") == MERGED)

    def _windows(self) -> pl.DataFrame:
        return self._merged().filter(pl.col("kind") == WINDOW)
