"""Lakes for the tests of the dbt project: raw tables by their contracts, and dbt run in this process."""

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from csv import DictReader
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from include.schemas import RAW_TABLES, arrow_schema

PROJECT = Path(__file__).resolve().parents[2] / "include" / "dbt"
SINCE_EVER = date(1, 1, 1)
Row = dict[str, Any]

_READ_AT = datetime(2026, 11, 1, tzinfo=UTC)


def instant(text: str) -> datetime:
    """An ISO time; UTC unless it says otherwise."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


@dataclass
class Raw:
    """Rows of the raw tables, filled one document at a time."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in RAW_TABLES})

    def site(
        self,
        site_id: str,
        *zones: tuple[str, date, str | None],
        through: str | None,
        is_demo: bool = False,
    ) -> None:
        """A site with its zones (zone, first local day, the instant it starts), read whole to `through`."""
        for zone, valid_from, starts_at in zones:
            self._add(
                "sites",
                site_id=site_id,
                zone=zone,
                valid_from=valid_from,
                valid_from_at=instant(starts_at or "0001-01-01"),
                target_set="standard",
                is_demo=is_demo,
                origin="https://example.org",
                display_units="mg/dL",
            )
        if through is not None:
            for collection in ("entries", "treatments"):
                self.outcome(site_id, collection, through)

    def outcome(self, site_id: str, collection: str, through: str, **changes: Any) -> None:
        """A window of one day, read whole, that ends at `through`."""
        facts: Row = {
            "read_id": f"{site_id}-{collection}-{len(self.rows['ingest_outcomes'])}",
            "site_id": site_id,
            "collection": collection,
            "kind": "window",
            "origin": "https://example.org",
            "window_start": instant(through) - timedelta(days=1),
            "window_end": instant(through),
            "run_id": "run",
            "lease_number": 1,
            "fetched_at": _READ_AT,
            "status": "merged",
        }
        self._add("ingest_outcomes", **(facts | changes))

    def entry(self, site_id: str, document_id: str, at: datetime, sgv: float | None, **changes: Any) -> None:
        """An entry of type sgv, unless changed."""
        facts: Row = {"type": "sgv", "sgv": sgv, "date": at.timestamp() * 1000, "reading_at": at}
        self._document("glucose_entries", site_id, document_id, facts | changes)

    def quarantined(self, site_id: str, payload_hash: str, at: datetime | None, **changes: Any) -> None:
        """An entry that was refused, with its instant where it has a usable one."""
        facts: Row = {
            "site_id": site_id,
            "collection": "entries",
            "payload_hash": payload_hash,
            "document": "{}",
            "reasons": "no sgv",
            "window_start": _READ_AT - timedelta(days=1),
            "window_end": _READ_AT,
            "read_id": "read",
            "run_id": "run",
            "first_seen_at": _READ_AT,
            "document_at": at,
        }
        self._add("quarantine", **(facts | changes))

    def treatment(self, site_id: str, document_id: str, at: datetime, **changes: Any) -> None:
        """A treatment whose created_at is its instant, unless changed."""
        facts: Row = {"created_at": at.isoformat(), "treated_at": at}
        self._document("treatments", site_id, document_id, facts | changes)

    def profile(
        self, site_id: str, document_id: str, at: datetime, *basal: tuple[int, float | None], **changes: Any
    ) -> None:
        """A profile with these segments: second of the day and units per hour."""
        schedule = [{"start_seconds": start, "units_per_hour": rate} for start, rate in basal]
        facts: Row = {
            "start_date": at.isoformat(),
            "valid_from_at": at,
            "profile_name": "Default",
            "basal_schedule": json.dumps(schedule),
        }
        self._document("profiles", site_id, document_id, facts | changes)

    def device_status(self, site_id: str, document_id: str, at: datetime, **changes: Any) -> None:
        """A report of a loop, unless changed."""
        facts: Row = {"created_at": at.isoformat(), "reported_at": at, "loop_state": "looping"}
        self._document("device_status", site_id, document_id, facts | changes)

    def write(self, path: Path) -> None:
        """Create the lake file with schema raw."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(path) as lake:
            lake.execute("create schema raw")
            for name, rows in self.rows.items():
                table = pa.Table.from_pylist(rows, schema=arrow_schema(RAW_TABLES[name]))
                lake.register("arrow_rows", table)
                lake.execute(f"create table raw.{name} as select * from arrow_rows")  # noqa: S608
                lake.unregister("arrow_rows")

    def _document(self, table: str, site_id: str, document_id: str, facts: Row) -> None:
        bookkeeping: Row = {
            "payload": "{}",
            "content_hash": hashlib.sha256(repr(facts).encode()).hexdigest(),
            "first_seen_at": _READ_AT,
            "ingested_at": _READ_AT,
            "run_id": "run",
        }
        self._add(table, site_id=site_id, _id=document_id, **(bookkeeping | facts))

    def _add(self, table: str, **row: Any) -> None:
        unknown = row.keys() - set(RAW_TABLES[table].schema.columns)
        assert not unknown, f"raw.{table} has no column {unknown}"
        self.rows[table].append(row)


@dataclass(frozen=True)
class Reading:
    """One line of the CGM traces."""

    subject: str
    at: datetime
    glucose_mg_dl: float

    @property
    def site_id(self) -> str:
        """Its subject as a site."""
        return self.subject.lower().replace(" ", "_")


def cgm_readings(test_data: Path) -> list[Reading]:
    """The traces of five people; their naive wall time is taken for UTC."""
    with gzip.open(test_data / "real_cgm_iglu5.csv.gz", "rt") as lines:
        return [Reading(row["id"], instant(row["time"]), float(row["gl"])) for row in DictReader(lines)]


def oracle(test_data: Path, name: str) -> list[dict[str, str]]:
    """The rows of one oracle file."""
    with (test_data / f"oracle_{name}.csv").open() as lines:
        return list(DictReader(lines))


def export(test_data: Path, name: str, collection: str) -> list[Row]:
    """One real export of Nightscout."""
    documents: list[Row] = json.loads((test_data / "ns_real" / f"{name}_{collection}.json").read_text())
    return documents


@dataclass(frozen=True)
class Dbt:
    """The dbt project, parsed once for each target and run in this process; what it writes goes to `home`."""

    home: Path
    manifests: dict[str, Manifest] = field(default_factory=dict)

    def parse(self, target: str = "embedded") -> Manifest:
        """The project as dbt understands it."""
        if target not in self.manifests:
            result = self._invoke(["parse"], None, target, None)
            assert result.success, result.exception
            self.manifests[target] = result.result
        return self.manifests[target]

    def run(self, *arguments: str, lake: Path | None = None, target: str = "embedded") -> dbtRunnerResult:
        """One dbt command on a lake. A warning of dbt, deprecations included, is an error."""
        return self._invoke(arguments, lake, target, self.parse(target))

    def _invoke(
        self, arguments: Sequence[str], lake: Path | None, target: str, manifest: Manifest | None
    ) -> dbtRunnerResult:
        environment = {
            "DBT_PROJECT_DIR": str(PROJECT),
            "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_TARGET_PATH": str(self.home / target),
            "DBT_LOG_PATH": str(self.home / "logs"),
            "DBT_LOG_LEVEL_FILE": "none",  # dbt never closes its log file
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_WARN_ERROR": str(arguments[0] != "source"),  # there a warning is an answer
        }
        if lake is not None:
            environment["LAKEHOUSE_DUCKDB_PATH"] = str(lake)
        with _environment(environment):
            result = dbtRunner(manifest=manifest).invoke([*arguments, "--target", target, "--quiet"])
        DuckDBConnectionManager.close_all_connections()
        return result

    def compiled(self, model: str, target: str = "embedded") -> str:
        """The SQL of a model as the last command left it."""
        (path,) = (self.home / target / "compiled" / "glucose" / "models").rglob(f"{model}.sql")
        return path.read_text()

    def build(self, lake: Path, *arguments: str) -> dbtRunnerResult:
        """Build the lake; fails the test with what went wrong."""
        result = self.run("build", *arguments, lake=lake)
        assert result.exception is None, result.exception
        broken = [f"{each.node.name}: {each.message}" for each in result.result if each.status not in PASSED]
        assert not broken, broken
        return result


PASSED = ("success", "pass", "no-op")


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def opened(lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Read a built lake the way the project does: in UTC."""
    with duckdb.connect(lake, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def rows_of(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()
) -> list[Row]:
    """Rows of a query as dictionaries."""
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def by_key(rows: Iterable[Row], *key: str) -> dict[tuple[Any, ...], Row]:
    """Rows under their key; a repeated key fails."""
    keyed: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        name = tuple(row[part] for part in key)
        assert name not in keyed, f"{name} is there twice"
        keyed[name] = row
    return keyed
