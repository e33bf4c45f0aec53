"""What a merge did, in numbers, for a person, for the ledger and for asset events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from include.ingestion.outcomes import COUNTS, FAILED, LEFT_OUT, MERGED, SET_ASIDE, left_out_by_name
from include.nightscout.windows import Collection

Counts = dict[str, int]


@dataclass(frozen=True)
class MergeReport:
    """Per site and collection how many documents became what; what was left out, and why: by site, or by
    site and collection (`home profile`) where that is all.

    `counts[site][collection]` holds `received, accepted, quarantined, inserted, updated, unchanged, revived,
    retired, retired_live, superseded, tombstoned, kept_missing` and `reads`. `set_aside` are left-overs
    that stay in the stage. Instants and mean are those of accepted documents, instants without those of
    collections that are read whole; the mean is of sensor glucose.
    """

    counts: dict[str, dict[str, Counts]]
    left_out: dict[str, str]
    set_aside: list[dict[str, str]]
    first_instant: datetime | None = None
    last_instant: datetime | None = None
    mean_glucose_mg_dl: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "counts": self.counts,
            "left_out": self.left_out,
            "set_aside": self.set_aside,
            "first_instant": self.first_instant.isoformat() if self.first_instant else None,
            "last_instant": self.last_instant.isoformat() if self.last_instant else None,
            "mean_glucose_mg_dl": self.mean_glucose_mg_dl,
        }


def report_of(
    outcomes: Iterable[Mapping[str, Any]], damaged: Mapping[str, str], mean_glucose_mg_dl: float | None
) -> MergeReport:
    """The report of a merge, from the outcomes that it wrote, and the reason by site of damaged manifests:
    of those there is no outcome."""
    rows = list(outcomes)
    merged = [row for row in rows if row["status"] == MERGED]
    by_day = [row for row in merged if not Collection(row["collection"]).is_read_whole]
    return MergeReport(
        counts=_counts(merged),
        left_out=dict(damaged)
        | left_out_by_name(
            (row["site_id"], row["collection"], row["message"])
            for status in (FAILED, LEFT_OUT)  # the latter names all reasons of its site
            for row in rows
            if row["status"] == status
        ),
        set_aside=[
            {name: row[name] for name in ("site_id", "collection", "read_id", "message")}
            for row in rows
            if row["status"] == SET_ASIDE
        ],
        first_instant=min((row["first_instant"] for row in by_day if row["first_instant"]), default=None),
        last_instant=max((row["last_instant"] for row in by_day if row["last_instant"]), default=None),
        mean_glucose_mg_dl=mean_glucose_mg_dl,
    )


def _counts(merged: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Counts]]:
    counts: dict[str, dict[str, Counts]] = {}
    for row in merged:
        of = counts.setdefault(row["site_id"], {}).setdefault(row["collection"], {"reads": 0})
        of["reads"] += 1
        for column in COUNTS:
            name = column.removesuffix("_count").replace("document", "received")
            of[name] = of.get(name, 0) + row[column]
    return counts
