"""The merge of a day's rows into a year of them, and of hour after hour."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pyarrow as pa

from include.lakehouse import Branch, merge_rows, open_lakehouse
from include.schemas import RAW_TABLES, arrow_schema
from include.settings import Settings

READINGS_A_DAY = 288
SLOT = timedelta(minutes=5)
YEAR_START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 5
HOURS = 300
RAW = RAW_TABLES["glucose_entries"]


def object_id(instant: datetime) -> str:
    """As MongoDB makes them: the second in front, so that files can be pruned by ids."""
    return f"{int(instant.timestamp()):08x}{hash(instant) % 2**64:016x}"


def readings(start: datetime, count: int, sgv: float = 120.0) -> pa.Table:
    """Rows of raw.glucose_entries, one every five minutes from `start` on."""
    instants = [start + number * SLOT for number in range(count)]
    rows = [
        {
            "site_id": "home",
            "_id": object_id(instant),
            "type": "sgv",
            "sgv": sgv,
            "date": instant.timestamp() * 1000,
            "reading_at": instant,
            "direction": "Flat",
            "device": "bench",
            "payload": f'{{"_id": "{object_id(instant)}", "sgv": {sgv}, "type": "sgv"}}',
            "content_hash": f"{instant.timestamp()}-{sgv}",
            "first_seen_at": instant,
            "ingested_at": instant,
            "run_id": "bench",
        }
        for instant in instants
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(RAW))


def merge(branch: Branch, rows: pa.Table, commit_id: str) -> float:
    """CPU seconds of one merge."""
    table = branch.table(RAW.name)
    started = time.process_time()
    merge_rows(
        table, [rows], key=RAW.key, instant=RAW.instant, bookkeeping=RAW.bookkeeping, commit_id=commit_id
    )
    return time.process_time() - started


def measure() -> None:
    """Print CPU seconds of a new day, of the same day again, and how hourly merges grow."""
    with TemporaryDirectory(prefix="lakehouse-bench-") as home:
        branch = open_lakehouse(Settings(lakehouse_home=Path(home))).open_branch("bench", None)
        merge(branch, readings(YEAR_START, 365 * READINGS_A_DAY), "year")
        new, again = [], []
        for number in range(DAYS):
            day = readings(YEAR_START + timedelta(days=365 + number), READINGS_A_DAY)
            new.append(merge(branch, day, f"day-{number}"))
            snapshot = branch.table(RAW.name).metadata_location
            again.append(merge(branch, day, f"again-{number}"))
            is_same = branch.table(RAW.name).metadata_location == snapshot
        print(
            f"merge of 288 rows into 105,120: {median(new):.3f} CPU s (at most 0.15), median of {DAYS} days"
        )
        print(f"  the same again: {median(again):.3f} CPU s")
        print(f"  a merge that changes nothing commits {'nothing' if is_same else 'SOMETHING'}")
        start = YEAR_START + timedelta(days=370)
        costs = []
        for hour in range(HOURS):
            rows = readings(start + timedelta(hours=hour), 12)
            costs.append(merge(branch, rows, f"hour-{hour}"))
            branch.expire()
        first, last = sorted(costs[1:6])[2], sorted(costs[-5:])[2]
        print(f"merge of hour {HOURS}: {last / first:.2f} times that of the first (at most 1.5)")
