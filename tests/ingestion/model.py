"""A Nightscout site in memory, a small lake to merge it into, and the staged reads between them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from fsspec.implementations.local import LocalFileSystem

from include.errors import SourceUnavailableError
from include.ingestion.collection_merge import Limits
from include.ingestion.ledger import check_ledger
from include.ingestion.merge import merge_reads
from include.ingestion.merge_report import MergeReport
from include.ingestion.outcome_rows import FailedRead
from include.ingestion.outcomes import Outcomes
from include.ingestion.stage import Stage, StagedRead
from include.lakehouse import Branch, open_lakehouse
from include.nightscout.client import Answer
from include.nightscout.connections import Credentials
from include.nightscout.sites import Site
from include.nightscout.windows import EPOCH, Collection, Window, iso_milliseconds, milliseconds
from include.nightscout.zones import ZoneValidity
from include.schemas import RAW_TABLES
from include.settings import Settings

START = datetime(2024, 10, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
FILTER_FIELD = {
    Collection.ENTRIES: "date",
    Collection.TREATMENTS: "created_at",
    Collection.PROFILES: "startDate",
    Collection.DEVICE_STATUS: "created_at",
}
TABLE = {
    Collection.ENTRIES: "glucose_entries",
    Collection.TREATMENTS: "treatments",
    Collection.PROFILES: "profiles",
    Collection.DEVICE_STATUS: "device_status",
}

Document = dict[str, Any]


def write_parquet(table: pyarrow.Table, target: Path, pipelines_dir: Path) -> None:
    """Stands in for dlt, which takes half a second a file; tests of the stage use the real one."""
    pyarrow.parquet.write_table(table, target)


@dataclass
class Clock:
    """Every look at it is a second later."""

    now: datetime = START + timedelta(days=30)

    def tick(self, by: timedelta = timedelta(seconds=1)) -> datetime:
        self.now += by
        return self.now


def entry(identifier: str, at: datetime, sgv: Any = 120, **more: Any) -> Document:
    return {"_id": identifier, "type": "sgv", "date": milliseconds(at), "sgv": sgv, **more}


def treatment(identifier: str, at: datetime, insulin: Any = 1, **more: Any) -> Document:
    return {
        "_id": identifier,
        "eventType": "Bolus",
        "created_at": iso_milliseconds(at),
        "insulin": insulin,
        **more,
    }


def profile(identifier: str, at: datetime, rate: Any = 1, **more: Any) -> Document:
    """A profile with one basal rate, in U/h."""
    store = {"Default": {"basal": [{"time": "00:00", "value": rate, "timeAsSeconds": 0}], "units": "mg/dl"}}
    return {
        "_id": identifier,
        "startDate": iso_milliseconds(at),
        "defaultProfile": "Default",
        "store": store,
        **more,
    }


def device_status(identifier: str, at: datetime, iob: Any = 1, **more: Any) -> Document:
    """A report of a loop with this insulin on board, in units."""
    return {"_id": identifier, "created_at": iso_milliseconds(at), "loop": {"iob": {"iob": iob}}, **more}


MAKE = {
    Collection.ENTRIES: entry,
    Collection.TREATMENTS: treatment,
    Collection.PROFILES: profile,
    Collection.DEVICE_STATUS: device_status,
}


@dataclass
class FakeSite:
    """Answers what a real site would: filters compare numbers with numbers and text with text."""

    clock: Clock
    site_id: str = "home"
    documents: dict[Collection, dict[str, Document]] = field(
        default_factory=lambda: {of: {} for of in Collection}
    )
    is_down: bool = False
    look_ups: list[str] = field(default_factory=list)
    asked_older: int = 0

    def put(self, *documents: Document, collection: Collection = Collection.ENTRIES) -> None:
        for document in documents:
            self.documents[collection][document["_id"]] = document

    def drop(self, *identifiers: str, collection: Collection = Collection.ENTRIES) -> None:
        for identifier in identifiers:
            del self.documents[collection][identifier]

    def read_window(self, window: Window) -> Answer:
        self._check()
        name = FILTER_FIELD[window.collection]
        start, end = _bounds(window.collection, window.start), _bounds(window.collection, window.end)
        found = [
            document
            for document in self.documents[window.collection].values()
            if window.collection is Collection.PROFILES
            or (_is_comparable(window.collection, value := document.get(name)) and start <= value < end)
        ]
        found.sort(key=lambda document: document.get(name, ""), reverse=True)
        return self._answer(f"/api/v1/{window.collection}.json?count=20000", found)

    def look_up(self, collection: Collection, document_id: str) -> Answer:
        self._check()
        self.look_ups.append(document_id)
        found = self.documents[collection].get(document_id)
        return self._answer(f"/api/v1/{collection}.json?find[_id]={document_id}", [found] if found else [])

    def has_older(self, collection: Collection, before: datetime) -> bool:
        self._check()
        if collection is Collection.PROFILES:
            return False
        self.asked_older += 1
        bound = _bounds(collection, before)
        values = [document.get(FILTER_FIELD[collection]) for document in self.documents[collection].values()]
        return any(_is_comparable(collection, value) and value < bound for value in values)

    def _answer(self, request: str, documents: Sequence[Document]) -> Answer:
        return Answer(request, tuple(json.dumps(document) for document in documents), self.clock.tick())

    def _check(self) -> None:
        if self.is_down:
            raise SourceUnavailableError(f"site {self.site_id} does not answer: try again later")


def _is_comparable(collection: Collection, value: Any) -> bool:
    if collection is Collection.ENTRIES:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)


def _bounds(collection: Collection, instant: datetime) -> Any:
    return milliseconds(instant) if collection is Collection.ENTRIES else iso_milliseconds(instant)


def site_named(site_id: str, zone: str = "UTC", url: str | None = None) -> Site:
    return Site(site_id, url or f"https://{site_id}.example", (ZoneValidity(zone),), Credentials())


def window_of(
    first_hour: float, last_hour: float, collection: Collection = Collection.ENTRIES, site_id: str = "home"
) -> Window:
    """Hours after START; of profiles, which are read whole, from 1970 on."""
    if collection is Collection.PROFILES:
        return Window(site_id, collection, EPOCH, START + last_hour * HOUR)
    return Window(site_id, collection, START + first_hour * HOUR, START + last_hour * HOUR)


class Lake:
    """A real lake in a folder of its own; runs are numbered, and each has a branch of its own."""

    def __init__(self, folder: Path, *sites: FakeSite) -> None:
        self.sources = {site.site_id: site for site in sites}
        self.sites = [site_named(site.site_id) for site in sites]
        self.stage = Stage(LocalFileSystem(), f"{folder}/stage")
        self.lakehouse = open_lakehouse(Settings(_env_file=None, lakehouse_home=folder / "home"))
        self.limits = Limits(20, 20)
        self.runs = 0  # number of the lease
        self.begun = 0
        self.branch: Branch | None = None
        self.report: MergeReport | None = None

    def begin(self) -> Branch:
        """A new run: its branch, from main."""
        self.runs += 1
        self.begun += 1
        return self._open(f"run-{self.begun}", self.lakehouse.main_version())

    def reopen(self) -> Branch:
        """The branch of this run, from its base again."""
        assert self.branch is not None
        return self._open(self.branch.name, self.branch.base)

    def _open(self, name: str, base: str | None) -> Branch:
        self.branch = self.lakehouse.open_branch(name, base)
        for table in RAW_TABLES:
            self.branch.table(table)  # that it can be read, also once it is promoted
        return self.branch

    def read(self, *windows: Window) -> list[StagedRead]:
        """Stage windows for the run that was begun."""
        assert self.branch is not None
        return [
            self.stage.write(
                window,
                self.sources[window.site_id].read_window(window),
                kind="window",
                origin=next(site.origin for site in self.sites if site.site_id == window.site_id),
                run_id=f"run {self.runs}",
                branch=self.branch.name,
            )
            for window in windows
        ]

    def merge(
        self, failures: Sequence[FailedRead] = (), left_out: Mapping[str, str] | None = None
    ) -> MergeReport:
        assert self.branch is not None
        self.report = merge_reads(
            self.stage,
            self.branch,
            sites=self.sites,
            open_source=self.open_source,
            limits=self.limits,
            run_id=f"run {self.runs}",
            lease_number=self.runs,
            failures=failures,
            left_out=left_out,
        )
        return self.report

    def promote(self) -> None:
        assert self.branch is not None
        self.lakehouse.promote(self.branch.name, self.branch.head())

    def run(self, *windows: Window) -> MergeReport:
        """A whole run: branch, stage, merge, promote."""
        self.begin()
        self.read(*windows)
        report = self.merge()
        self.promote()
        return report

    @contextmanager
    def open_source(self, site_id: str) -> Iterator[FakeSite]:
        yield self.sources[site_id]

    def rows(self, table: str = "glucose_entries", site_id: str | None = None) -> dict[str, Document]:
        """What raw holds on the branch, by _id."""
        assert self.branch is not None
        rows = self.branch.table(table).scan().to_arrow().to_pylist()
        found = {row["_id"]: row for row in rows if site_id in (None, row["site_id"])}
        assert len(found) == len([row for row in rows if site_id in (None, row["site_id"])])
        return found

    def live(self, table: str = "glucose_entries", site_id: str | None = None) -> dict[str, Document]:
        """The payloads of live documents, by _id."""
        return {
            identifier: json.loads(row["payload"])
            for identifier, row in self.rows(table, site_id).items()
            if row["deleted_at"] is None
        }

    def outcomes(self) -> list[Document]:
        assert self.branch is not None
        rows = self.branch.table("ingest_outcomes").scan().to_arrow().to_pylist()
        return sorted(rows, key=lambda row: (row["lease_number"], row["fetched_at"], row["read_id"]))

    def quarantine(self) -> list[Document]:
        assert self.branch is not None
        return self.branch.table("quarantine").scan().to_arrow().to_pylist()

    def problems(self) -> list[str]:
        """What the ledger says about the run."""
        assert self.branch is not None
        base = self.lakehouse.at(self.branch.base) if self.branch.base else None
        return check_ledger(self.stage, self.branch, base, self.runs)

    def coverage(self) -> Outcomes:
        assert self.branch is not None
        return Outcomes.read(self.branch.table("ingest_outcomes"))
