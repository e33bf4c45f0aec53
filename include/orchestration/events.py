"""The assets that runs tell others about, and what they say of each update."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from airflow.sdk import Asset

from include.run.counts import document_counts

# Schemes of our own: Airflow validates those it knows, and where the lake lies differs by profile.
RAW = Asset("nightscout_raw", uri="x-lakehouse://raw", group="nightscout")
MARTS = Asset("nightscout_marts", uri="x-lakehouse://marts", group="nightscout")

DAY = timedelta(days=1)

Facts = dict[str, Any]


def merge_facts(merged: Mapping[str, Any], windows: Sequence[Mapping[str, Any]]) -> Facts:
    """What an event says of a merge: counts of documents, what was read, first and last instant, mean.

    `windows` has one entry a site and collection: how many windows, from when until when.
    """
    instants = {name: merged[name] for name in ("first_instant", "last_instant", "mean_glucose_mg_dl")}
    return {
        **document_counts(merged),
        **instants,
        "windows": _read(windows),
        "left_out": sorted(merged["left_out"]),
    }


def days_between(first: str, last: str) -> list[str]:
    """Every ISO date from the first to the last, both included; none when the last lies before."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + number * DAY).isoformat() for number in range((end - start).days + 1)]


def _read(windows: Sequence[Mapping[str, Any]]) -> list[Facts]:
    parts: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for window in windows:
        parts.setdefault((window["site_id"], window["collection"]), []).append(window)
    return [
        {
            "site_id": site_id,
            "collection": collection,
            "count": len(part),
            "start": min(window["start"] for window in part),
            "end": max(window["end"] for window in part),
        }
        for (site_id, collection), part in sorted(parts.items())
    ]
