"""What is in the lake, what readers see, and what waits for a person."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from include.errors import BranchError
from include.ingestion.outcomes import FAILED, LEFT_OUT, SET_ASIDE, Outcomes
from include.ingestion.spans import join_spans
from include.ingestion.unmerged import STAGED, unmerged_reads
from include.lakehouse import Reference
from include.nightscout.sites import known_site_ids
from include.nightscout.windows import Collection, Window
from include.run.pipeline import Pipeline
from include.run.unread import load_command, unread_days
from include.schemas import COLLECTION_TABLE
from include.schemas.checks import FAILED as MISSED
from include.serving.check_results import last_checks, result_of
from include.serving.postgres import running_postgres
from include.serving.publish import published_version
from include.serving.runs import last_runs

Row = dict[str, Any]

SHOWN_RUNS = 5
WAITING = ("site_id", "collection", "window_start", "window_end", "status", "message")


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
    unread: list[Row] = field(default_factory=list)
    waiting: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    checks: list[Row] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The state of the whole, a sentence a line."""
        lines = [f"{self.home} ({self.profile}): nothing was loaded yet; make run loads 90 days."]
        if self.main is not None:
            promoted = f"promoted {self.promoted_at:%Y-%m-%d %H:%M} UTC"
            lines = [f"{self.home} ({self.profile}): main is {self.main}, {promoted}."]
        if self.main is None and not self.runs:
            pass
        elif not self.postgres_runs:
            lines.append("Postgres does not run; lakehouse connect starts it.")
        elif self.published == self.main is not None:
            lines.append("Readers of Postgres see this version.")
        else:
            lines.append(
                f"Readers of Postgres see {self.published or 'nothing yet'}: the next run publishes main."
            )
        if self.running:
            lines.append(f"{self.running} is writing now.")
        return lines

    def last_runs(self) -> list[Row]:
        """The runs in a few columns, for people."""
        unended = "under way" if self.running else "it was killed"
        return [
            {
                "run": f"{run['dag_id']} {run['run_id']}",
                "began": run["taken_at"],
                "outcome": run["outcome"] or (unended if number == 0 else "it was killed"),
                "promoted": run["version"],
                "received": run["received"],
                "inserted": run["inserted"],
                "reason": run["reason"],
            }
            for number, run in enumerate(self.runs)
        ]

    def unread_lines(self) -> list[str]:
        """What a person types to fill the holes between days that were read, a line each."""
        lines = [
            f"  {hole['site']}, {hole['collections']}: {load_command(hole['first_day'], hole['last_day'])}"
            for hole in self.unread
        ]
        heading = "Not read whole, though days before and after were; runs only look back HEAL_DAYS:"
        return [heading, *lines] if lines else []

    def check_lines(self) -> list[str]:
        """What the checks of the last run found, a line each, what is wrong first."""
        results = [result_of(row) for row in self.checks]
        return [
            f"  {result.check.severity if result.outcome == MISSED else result.outcome}: {result}"
            for result in results
        ]


def lake_status(pipeline: Pipeline) -> LakeStatus:
    """Read it from main and, when it runs, from Postgres; starts and changes nothing."""
    settings = pipeline.settings
    outcomes = pipeline.outcomes_of_main()
    facts: Row = {
        "profile": settings.lakehouse_profile,
        "home": str(settings.lakehouse_home),
        "waiting": _waiting(pipeline, outcomes),
    }
    versions = {version.name: version for version in pipeline.lakehouse.history()}
    main = pipeline.lakehouse.main_version()
    if running_postgres(settings, pipeline.find_connection) is not None:
        shown, holder = published_version(pipeline.postgres), pipeline.leases.holder()
        facts |= {
            "postgres_runs": True,
            "published": shown.version if shown else None,
            "running": f"{holder.dag_id} {holder.run_id}" if holder else None,
            "runs": last_runs(pipeline.postgres, SHOWN_RUNS),
            "checks": last_checks(pipeline.postgres),
        }
    if main is None:
        return LakeStatus(**facts, main=None)
    reference = pipeline.lakehouse.at(main)
    facts |= {
        "sites": _sites(reference, outcomes),
        "unread": unread_days(reference, outcomes.whole(), known_site_ids(settings)),
    }
    return LakeStatus(**facts, main=main, promoted_at=versions[main].promoted_at)


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
    try:
        found = reference.table(table)
    except BranchError:  # main is from before this table's contract
        return {}
    scan = found.scan(row_filter="deleted_at is null", selected_fields=("site_id",))
    return dict(pl.DataFrame(scan.to_arrow()).group_by("site_id").len().iter_rows())


def _waiting(pipeline: Pipeline, outcomes: Outcomes) -> list[Row]:
    """Reads that are in no table, with the reason: staged ones until they are merged, failed ones (nothing
    was staged) until their window was read later. What main knows of a read says more than the stage does."""
    settings, merged = pipeline.settings, outcomes.merged_reads()
    known = {row["read_id"]: row for row in _unmerged_outcomes(outcomes, merged)}
    staged = unmerged_reads(pipeline.inbox, merged, known_site_ids(settings), settings.max_quarantine_pct)
    rows = [{**row, **known.pop(row["read_id"], {})} if row["status"] == STAGED else row for row in staged]
    rows += [row for row in known.values() if row["status"] == FAILED and not _was_read_later(outcomes, row)]
    return [{name: row[name] for name in WAITING} for row in rows]


def _unmerged_outcomes(outcomes: Outcomes, merged: set[str]) -> Iterator[Row]:
    """The newest outcome of each read that was not merged."""
    rows = outcomes.rows.filter(
        pl.col("status").is_in([FAILED, LEFT_OUT, SET_ASIDE]), ~pl.col("read_id").is_in(list(merged))
    )
    newest = rows.sort("fetched_at", "lease_number", descending=True)
    yield from newest.unique("read_id", keep="first", maintain_order=True).iter_rows(named=True)


def _was_read_later(outcomes: Outcomes, row: Row) -> bool:
    """Whether a failed read's window is covered by windows that were merged since."""
    window = Window(row["site_id"], Collection(row["collection"]), row["window_start"], row["window_end"])
    since = outcomes.read_since(window, row["fetched_at"])
    covered = join_spans((later.start, later.end) for later in since)
    return any(start <= window.start and window.end <= end for start, end in covered)
