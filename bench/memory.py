"""Peak memory of one range run over one year, and over ten."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from bench.laboratory import laboratory
from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.documents import newest_first
from include.nightscout.demo.server import serve
from include.nightscout.demo.versions import Document

DAG = "nightscout_glucose"
LAST = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_SIMULATED_MS = datetime(2022, 1, 1, tzinfo=UTC).timestamp() * 1000
CYCLE_MS = 1461 * 24 * 3600 * 1000  # four years: the same dates of the calendar


def decades(collection: str, earliest: float, latest: float, now: float) -> Iterator[Document]:
    """The demo person's documents; before 2022 those of four years later, moved back."""
    if latest >= FIRST_SIMULATED_MS:
        yield from newest_first(collection, max(earliest, FIRST_SIMULATED_MS), latest, now)
    if earliest < FIRST_SIMULATED_MS:
        end = min(latest, FIRST_SIMULATED_MS)
        for document in decades(collection, earliest + CYCLE_MS, end + CYCLE_MS, now):
            yield _moved_back(document)


def _moved_back(document: Document) -> Document:
    """The same four years earlier, as a document of its own."""
    moved = dict(document)
    moved["_id"] = (
        f"{int(moved['_id'], 16) ^ (1 << 95):024x}" if len(moved["_id"]) == 24 else f"-{moved['_id']}"
    )
    if "date" in moved:
        moved["date"] = moved["date"] - CYCLE_MS
    if "mills" in moved:
        moved["mills"] -= CYCLE_MS
    for name in ("dateString", "sysTime", "created_at", "timestamp", "startDate"):
        if isinstance(moved.get(name), str):
            moved[name] = f"{int(moved[name][:4]) - 4}{moved[name][4:]}"
    return moved


def measure() -> None:
    """Print both peaks."""
    peaks = {}
    for years in (1, 10):
        form = json.dumps({"start": f"{LAST.year - years}-01-01", "end": f"{LAST.year - 1}-12-31"})
        with serve(lambda: LAST, archive=decades) as url:
            site = {"NIGHTSCOUT_URL": url, "NIGHTSCOUT_TIME_ZONE": DEMO_ZONE}
            with laboratory(site) as lab:
                peaks[years] = lab.airflow("dags", "test", DAG, "--conf", form).peak_megabytes
    print(
        f"memory of a range run over one year: {peaks[1]:.0f} MB (at most 1500), over ten: {peaks[10]:.0f} MB"
    )
