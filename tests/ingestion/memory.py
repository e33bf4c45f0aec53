"""A stage and a raw table in memory, so that the rules of a merge can be tried a thousand times."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from include.ingestion.batch import BatchRead, Brought
from include.ingestion.collection_merge import CollectionMerge, CollectionRules, Limits
from include.ingestion.deletions import Inquiry
from include.ingestion.documents import content_hash
from include.ingestion.stage import StagedRead, read_id_of
from include.ingestion.state import IN_RAW, filter_values, versions
from include.ingestion.validate import Validation
from include.nightscout.client import Answer
from include.nightscout.windows import EPOCH, Collection, Window
from include.schemas.columns import INSTANT
from tests.ingestion.model import FILTER_FIELD, Clock, Document, FakeSite
from tests.ingestion.rules import Answered, Known, is_bad
from tests.nightscout.site_filter import selects


@dataclass
class MemoryStage:
    """Finds and keeps answers like the stage does, without files."""

    reads: dict[str, tuple[StagedRead, list[Document]]] = field(default_factory=dict)

    def find(self, window: Window, branch: str, document_id: str | None = None) -> StagedRead | None:
        found = self.reads.get(read_id_of(window, branch, document_id))
        return found[0] if found else None

    def write(self, window: Window, answer: Answer, **about: Any) -> StagedRead:
        read_id = read_id_of(window, about["branch"], about.get("document_id"))
        if read_id not in self.reads:
            read = StagedRead(
                read_id=read_id,
                window=window,
                request=answer.request,
                fetched_at=answer.fetched_at,
                document_count=len(answer.documents),
                checksum="",
                **about,
            )
            self.reads[read_id] = (read, [json.loads(text) for text in answer.documents])
        return self.reads[read_id][0]

    def load(self, read: StagedRead, branch: str) -> BatchRead:
        documents = self.reads[read.read_id][1]
        return BatchRead(read, _validation(documents), _brought(read, documents), read.branch == branch)

    def answered(self, read: StagedRead, branch: str) -> Answered:
        documents = tuple(self.reads[read.read_id][1])
        is_window, is_own = read.kind == "window", read.branch == branch
        return Answered(read.read_id, read.window, is_window, is_own, read.fetched_at, documents)


@dataclass
class MemoryStored:
    """What raw holds of one collection."""

    collection: Collection
    known: dict[str, Known]

    def light(self, windows: Sequence[Window], identifiers: pl.Series) -> pl.DataFrame:
        wanted = set(identifiers)
        found = [
            (identifier, version)
            for identifier, version in self.known.items()
            if identifier in wanted or any(selects(window, version.payload) for window in windows)
        ]
        name = FILTER_FIELD[self.collection]
        dtype = pl.Float64 if self.collection is Collection.ENTRIES else pl.String
        return pl.DataFrame(
            {
                "_id": pl.Series([identifier for identifier, _ in found], dtype=pl.String),
                "content_hash": pl.Series([content_hash(v.payload) for _, v in found], dtype=pl.String),
                "deleted_at": pl.Series([v.deleted_at for _, v in found], dtype=INSTANT),
                "ingested_at": pl.Series([v.ingested_at for _, v in found], dtype=INSTANT),
                "first_seen_at": pl.Series([v.first_seen_at for _, v in found], dtype=INSTANT),
                name: pl.Series([v.payload[name] for _, v in found], dtype=dtype, strict=False),
            }
        )

    def live_count(self) -> int:
        return sum(version.deleted_at is None for version in self.known.values())


@dataclass
class MemoryRuns:
    """The runs over one collection of a site: what is staged, and raw after each merge."""

    collection: Collection
    site: FakeSite = field(default_factory=lambda: FakeSite(Clock()))
    stage: MemoryStage = field(default_factory=MemoryStage)
    staged: list[StagedRead] = field(default_factory=list)
    merged_windows: list[StagedRead] = field(default_factory=list)
    known: dict[str, Known] = field(default_factory=dict)
    runs: int = 1

    @property
    def branch(self) -> str:
        return f"run-{self.runs}"

    def stage_window(self, window: Window, answer: Answer | None = None) -> StagedRead:
        """Read a window within the present run."""
        about = {"kind": "window", "origin": "origin", "run_id": self.branch, "branch": self.branch}
        read = self.stage.write(window, answer or self.site.read_window(window), **about)
        self.staged.append(read)
        return read

    def end_run(self) -> None:
        """The run ends without a promote: all that it read is left over."""
        self.staged += [
            read
            for read, _ in self.stage.reads.values()
            if read.branch == self.branch and read.kind == "look_up"
        ]
        self.runs += 1

    def merge_staged(self, limits: Limits) -> CollectionMerge:
        """What the merge of all that is staged would do; nothing is kept."""

        @contextmanager
        def open_source(_: str) -> Iterator[FakeSite]:
            yield self.site

        def load(read: StagedRead) -> BatchRead:
            return self.stage.load(read, self.branch)

        def read_since(read: StagedRead) -> list[Window]:
            return [other.window for other in self.merged_windows if other.fetched_at > read.fetched_at]

        stage: Any = self.stage
        stored: Any = MemoryStored(self.collection, self.known)
        with Inquiry(stage, open_source, "home", "origin", self.branch, self.branch) as inquiry:
            batch = [load(read) for read in self.staged]
            rules = CollectionRules(self.collection, batch, stored, limits, inquiry, load, read_since)
            return rules.merge()

    def promote(self, merge: CollectionMerge) -> None:
        """Keep what a merge did, and begin the next run."""
        self.known = known_after(merge, self.stage, self.known)
        self.merged_windows += [read.one.read for read in merge.reads if read.one.is_window]
        aside = {one.read_id for one, _ in merge.set_aside}
        self.staged = [read for read in self.staged if read.read_id in aside]
        self.runs += 1

    def live(self) -> dict[str, Document]:
        return {each: version.payload for each, version in self.known.items() if version.deleted_at is None}


def known_after(merge: CollectionMerge, stage: MemoryStage, known: dict[str, Known]) -> dict[str, Known]:
    """Raw once the merge is written."""
    state, after = merge.state, dict(known)
    for document in np.flatnonzero(state.is_touched).tolist():
        identifier = merge.numbers.identifiers[document]
        source = int(state.source[document])
        if source == IN_RAW:
            payload = known[identifier].payload
        else:
            payload = stage.reads[merge.reads[source].one.read_id][1][int(state.row_number[document])]
        deleted_us = int(state.deleted_us[document])
        after[identifier] = Known(
            payload,
            _instant(deleted_us) if deleted_us else None,
            _instant(int(state.ingested_us[document])),
            _instant(int(state.first_seen_us[document])),
        )
    return after


def _validation(documents: Sequence[Document]) -> Validation:
    bad = sum(is_bad(document) for document in documents)
    reasons = {"sgv_not_a_number": bad} if bad else {}
    return Validation(len(documents), len(documents) - bad, bad, reasons, {}, "", "", "")


def _brought(read: StagedRead, documents: Sequence[Document]) -> Brought:
    collection, name = read.window.collection, FILTER_FIELD[read.window.collection]
    good = [(number, document) for number, document in enumerate(documents) if not is_bad(document)]
    every = [document[name] for document in documents]
    return Brought(
        identifiers=pl.Series([document["_id"] for _, document in good], dtype=pl.String),
        version=versions(pl.Series([content_hash(document) for _, document in good], dtype=pl.String)),
        is_valid=np.array([document.get("isValid") is not False for _, document in good], np.bool_),
        filter_value=filter_values(collection, pl.Series([document[name] for _, document in good])),
        row_number=np.array([number for number, _ in good], np.int64),
        quarantined=pl.Series(
            [document["_id"] for document in documents if is_bad(document)], dtype=pl.String
        ),
        oldest=filter_values(collection, pl.Series([min(every)]))[0] if every else None,
        first_instant=None,
        last_instant=None,
        glucose=(0.0, 0),
    )


def _instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
