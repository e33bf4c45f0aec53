"""What is in the lake, what readers see, and what waits for a person."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from include.ingestion.outcomes import FAILED, LEFT_OUT, SET_ASIDE, Outcomes
from include.ingestion.spans import join_spans
from include.lakehouse import Reference
from include.nightscout.windows import Collection, Window
from include.run.pipeline import Pipeline
from include.schemas import COLLECTION_TABLE
from include.serving.postgres import is_running
from include.serving.publish import published_version

Row = dict[str, Any]


@dataclass(frozen=True)
class LakeStatus:
    """`published` and `running` are None when Postgres does not run: asking must not start it."""

    profile: str
    home: str
    main: str | None
    promoted_at: datetime | None = None
    published: str | None = None
    running: str | None = None
    postgres_runs: bool = False
    sites: list[Row] = field(default_factory=list)
    waiting: list[Row] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The state of the whole, a sentence a line."""
        if self.main is None:
            return [f"{self.home} ({self.profile}): nothing was loaded yet; make run loads 90 days."]
        promoted = f"promoted {self.promoted_at:%Y-%m-%d %H:%M} UTC"
        lines = [f"{self.home} ({self.profile}): main is {self.main}, {promoted}."]
        if not self.postgres_runs:
            lines.append("Postgres does not run; lakehouse connect starts it.")
        elif self.published == self.main:
            lines.append("Readers of Postgres see this version.")
        else:
            lines.append(
                f"Readers of Postgres see {self.published or 'nothing yet'}: the next run publishes main."
            )
        if self.running:
            lines.append(f"{self.running} is writing now.")
        return lines


def lake_status(pipeline: Pipeline) -> LakeStatus:
    """Read it from main and, when it runs, from Postgres; starts and changes nothing."""
    settings = pipeline.settings
    facts: Row = {"profile": settings.lakehouse_profile, "home": str(settings.lakehouse_home)}
    versions = {version.name: version for version in pipeline.lakehouse.history()}
    main = pipeline.lakehouse.main_version()
    if main is None:
        return LakeStatus(**facts, main=None)
    if is_running(settings):
        shown, holder = published_version(pipeline.postgres), pipeline.leases.holder()
        facts |= {
            "postgres_runs": True,
            "published": shown.version if shown else None,
            "running": f"{holder.dag_id} {holder.run_id}" if holder else None,
        }
    reference = pipeline.lakehouse.at(main)
    outcomes = Outcomes.read(reference.table("ingest_outcomes"))
    return LakeStatus(
        **facts,
        main=main,
        promoted_at=versions[main].promoted_at,
        sites=_sites(reference, outcomes),
        waiting=_waiting(outcomes),
    )


def _sites(reference: Reference, outcomes: Outcomes) -> list[Row]:
    refused = pl.DataFrame(
        reference.table("quarantine").scan(selected_fields=("site_id", "resolved_at")).to_arrow()
    ).filter(pl.col("resolved_at").is_null())
    live = {name: _live(reference, table) for name, table in COLLECTION_TABLE.items()}
    return [
        {"site": site_id, "origin": origin, "data_through": outcomes.data_through(site_id)}
        | {name: counts.get(site_id, 0) for name, counts in live.items()}
        | {"quarantined": refused.filter(pl.col("site_id") == site_id).height}
        for site_id, origin in sorted(outcomes.origins().items())
    ]


def _live(reference: Reference, table: str) -> dict[str, int]:
    scan = reference.table(table).scan(row_filter="deleted_at is null", selected_fields=("site_id",))
    return dict(pl.DataFrame(scan.to_arrow()).group_by("site_id").len().iter_rows())


def _waiting(outcomes: Outcomes) -> list[Row]:
    """Reads that are in no table, with the reason: staged ones until they are merged, failed ones (nothing
    was staged) until their window was read later."""
    merged = outcomes.merged_reads()
    rows = outcomes.rows.filter(pl.col("status").is_in([FAILED, LEFT_OUT, SET_ASIDE])).sort(
        "fetched_at", descending=True
    )
    columns = ("site_id", "collection", "window_start", "window_end", "status", "message")
    waiting = rows.filter(~pl.col("read_id").is_in(list(merged))).unique(
        "read_id", keep="first", maintain_order=True
    )
    listed = [row for row in waiting.iter_rows(named=True) if not _was_read_later(outcomes, row)]
    return [{name: row[name] for name in columns} for row in listed]


def _was_read_later(outcomes: Outcomes, row: Row) -> bool:
    """Whether a failed read's window is covered by windows that were merged since."""
    if row["status"] != FAILED:
        return False
    window = Window(row["site_id"], Collection(row["collection"]), row["window_start"], row["window_end"])
    since = outcomes.read_since(window, row["fetched_at"])
    covered = join_spans((later.start, later.end) for later in since)
    return any(start <= window.start and window.end <= end for start, end in covered)
