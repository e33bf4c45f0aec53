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
CYCLE_MS = 1461 * 24 * 3600 * 1000  # four years: the same dates of the calendar
ID_DIGITS = 24


def decades(collection: str, earliest: float, latest: float, now: float) -> Iterator[Document]:
    """The demo person's documents, and before 2022 those of four years later, moved back."""
    start = datetime(2022, 1, 1, tzinfo=UTC).timestamp() * 1000
    if latest >= start:
        yield from (
            of for of in newest_first(collection, max(earliest, start), latest, now) if of_is_after(of, start)
        )
    if earliest < start:
        yield from (
            moved_back(of)
            for of in decades(collection, earliest + CYCLE_MS, min(latest, start) + CYCLE_MS, now)
        )


def measure() -> None:
    """Print both peaks."""
    peaks = {}
    for years in (1, 10):
        form = json.dumps({"start": f"{LAST.year - years}-01-01", "end": f"{LAST.year - 1}-12-31"})
        with (
            serve(lambda: LAST, archive=decades) as url,
            laboratory(NIGHTSCOUT_URL=url, NIGHTSCOUT_TIME_ZONE=DEMO_ZONE) as lab,
        ):
            peaks[years] = lab.airflow("dags", "test", DAG, "--conf", form).peak_megabytes
    print(
        f"memory of a range run over one year: {peaks[1]:.0f} MB (at most 1500), over ten: {peaks[10]:.0f} MB"
    )
