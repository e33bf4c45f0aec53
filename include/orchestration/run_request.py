"""What a run was asked for, read once from however it was started."""

from collections.abc import Mapping
from datetime import UTC, date
from typing import Any

from include.errors import InputError


def run_request(context: Mapping[str, Any]) -> dict[str, Any]:
    """The request of a run, JSON-safe, for `plan`. Days are ISO dates.

    `first_day` and `last_day` (both included) are the form's range; without one, `key` is the partition key,
    else the logical date; a run with none of them reads the open day. `data_interval` and `ds` are never
    read: they are undefined or another day's, depending on how the run was started. `is_scheduled` is true
    for the scheduler's own ticks only. `promote`, `max_quarantine_pct` and `max_missing_pct` are the form's
    (None: the setting). Raises InputError.
    """
    form, run = context["params"], context["dag_run"]
    first, last = _range(form["start"], form["end"], run.partition_key)
    return {
        "first_day": first,
        "last_day": last,
        "key": None if first else _key(run),
        "is_scheduled": run.run_type == "scheduled",
        "promote": form["promote"],
        "max_quarantine_pct": form["max_quarantine_pct"],
        "max_missing_pct": form["max_missing_pct"],
    }


def _key(run: Any) -> str | None:
    if run.partition_key:
        return _day("partition key", run.partition_key)
    return run.logical_date.astimezone(UTC).date().isoformat() if run.logical_date else None


def _range(start: str | None, end: str | None, partition_key: str | None) -> tuple[str | None, str | None]:
    if not start and not end:
        return None, None
    if partition_key:
        raise InputError(
            f"The run owns one day ({partition_key}), so it cannot load a range: leave start and end empty, "
            "or trigger one run with a range and without a partition key. A backfill needs no range either."
        )
    if not start:
        raise InputError(f"The range ends ({end}) but has no first day: fill in start.")
    return _day("start", start), _day("end", end or start)


def _day(name: str, text: str) -> str:
    try:
        day = date.fromisoformat(text).isoformat()
    except (TypeError, ValueError):
        day = None
    if day != text:  # Python also reads 20241031 and 2024-W44-4, but a key has one form
        raise InputError(f"{name} is not a date: {text!r}. Write it like 2024-10-31.")
    return day
