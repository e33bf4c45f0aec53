"""The assets that runs tell others about, and what they say of each update."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from airflow.sdk import Asset

# Schemes of our own: Airflow validates those it knows, and where the lake lies differs by profile.
RAW = Asset("nightscout_raw", uri="x-lakehouse://raw", group="nightscout")
MARTS = Asset("nightscout_marts", uri="x-lakehouse://marts", group="nightscout")

DAY = timedelta(days=1)


def announce(event: Any, facts: Mapping[str, Any], days: Sequence[str]) -> None:
    """Fill the event of an asset: counts, windows, first and last instant, mean.

    `days` are those that a run without a partition of its own wrote, so that whoever waits for one of them
    hears of it; none for a run that has one.
    """
    event.extra = dict(facts)
    event.add_partitions(list(days))


def days_between(first: str, last: str) -> list[str]:
    """Every ISO date from the first to the last, both included."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + number * DAY).isoformat() for number in range((end - start).days + 1)]
