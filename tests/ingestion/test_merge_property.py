"""Random histories of two sites through a real lake: late uploads, edits, moves, deletes, pruning, failed
runs, sites that go down, merges killed at any table. After each merge raw is what the rules demand."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from include.errors import SourceUnavailableError
from include.ingestion import rounds
from include.ingestion.collection_merge import Limits
from include.ingestion.rounds import merged_whole
from include.ingestion.stage import StagedRead
from include.nightscout.windows import DAY_COLLECTIONS, Collection, Window
from tests.ingestion.changes import ANCIENT, DOCUMENTS, Changes, bounds, change
from tests.ingestion.interrupted import Killed, dying_before
from tests.ingestion.model import TABLE, Clock, Document, FakeSite, Lake, window_of, write_parquet
from tests.ingestion.rules import Answered, Known, LeftOutByTheRules, is_bad, merge_by_the_rules

SITES = ("home", "other")
TABLES = ("glucose_entries", "treatments", "quarantine", "ingest_outcomes")
FEW = 5
EXAMPLES = int(os.environ.get("MERGE_HISTORIES", FEW))  # more, and others each time, in test-stack

Place = tuple[str, Collection]

places = st.tuples(st.sampled_from(["home", "home", "other"]), st.sampled_from(Collection))
changed = st.lists(st.tuples(places, change), max_size=5)
windows = st.lists(st.tuples(places, bounds), min_size=1, max_size=4)
ends = st.sampled_from(["merge", "merge", "merge", "merge all", "fail", "fail merged", "down", *TABLES])
runs = st.tuples(changed, windows, changed, ends)


@dataclass
class Expected:
    """What a collection holds after a merge, and which reads were merged."""

    known: dict[str, Known]
    merged: list[Answered]
    is_left_out: bool = False


@dataclass
class LakeHistory:
    """A lake beside what the rules say it holds."""

    lake: Lake
    known: dict[Place, dict[str, Known]] = field(
        default_factory=lambda: {(site_id, of): {} for site_id in SITES for of in Collection}
    )
    merged: list[tuple[Window, datetime]] = field(default_factory=list)

    def change(self, steps: list[tuple[Place, tuple[Any, ...]]]) -> None:
        for (site_id, collection), step in steps:
            Changes(self.lake.sources[site_id], collection).apply(step)

    def run(self, asked: list[tuple[Place, tuple[int, int]]], late: list[Any], end: str) -> None:
        self.lake.begin()
        self.lake.read(*dict.fromkeys(window_of(*hours, of, site_id) for (site_id, of), hours in asked))
        self.change(late)
        if end == "fail":
            return
        limits = Limits(100, 100) if end == "merge all" else Limits(20, 20)
        self.lake.limits = limits
        staged = self.staged()
        for source in self.lake.sources.values():
            source.is_down = end == "down" and source.site_id == "other"
        expected = {site_id: self.expected(site_id, staged, limits) for site_id in SITES}
        if end in TABLES:
            self.killed_at(end)
        self.merge()
        for source in self.lake.sources.values():
            source.is_down = False
        self.check(expected)
        if end != "fail merged":
            self.keep(expected)
            self.lake.promote()

    def merge(self) -> None:
        """As the step of a run does it."""
        assert self.lake.branch is not None
        merged_whole(
            lambda _, left_out: self.lake.merge(left_out=left_out), self.lake.branch, self.lake.reopen
        )

    def staged(self) -> list[StagedRead]:
        """What the merge will find."""
        assert self.lake.branch is not None
        done = self.lake.coverage().merged_reads()
        return self.lake.stage.reads(skip=done)

    def expected(
        self, site_id: str, staged: list[StagedRead], limits: Limits
    ) -> dict[Collection, Expected] | None:
        """What each collection of a site holds afterwards; None: the site is left out."""
        found = {}
        for of in Collection:
            reads = [
                self.answered(read)
                for read in staged
                if (read.window.site_id, read.window.collection) == (site_id, of)
            ]
            merged = [
                (window, at)
                for window, at in self.merged
                if (window.site_id, window.collection) == (site_id, of)
            ]
            try:
                outcome = merge_by_the_rules(
                    self.known[site_id, of], reads, self.lake.sources[site_id], limits, merged
                )
            except (LeftOutByTheRules, SourceUnavailableError):
                if of in DAY_COLLECTIONS:
                    return None
                found[of] = Expected(self.known[site_id, of], [], is_left_out=True)
                continue
            found[of] = Expected(
                outcome.known, [read for read in reads if read.read_id not in outcome.set_aside]
            )
        return found

    def answered(self, read: StagedRead) -> Answered:
        assert self.lake.branch is not None
        documents = self.lake.stage.documents(read)["document"].to_pylist()
        return Answered(
            read.read_id,
            read.window,
            read.kind == "window",
            read.branch == self.lake.branch.name,
            read.fetched_at,
            tuple(json.loads(text) for text in documents),
        )

    def killed_at(self, table: str) -> None:
        """A first try is killed when it is about to write this table; the branch is opened again."""
        with suppress(Killed), dying_before(table):
            self.merge()
        self.lake.reopen()

    def check(self, expected: dict[str, dict[Collection, Expected] | None]) -> None:
        assert self.lake.report is not None
        left_out = {site_id for site_id, of_site in expected.items() if of_site is None}
        parts = {
            f"{site_id} {of}"
            for site_id, of_site in expected.items()
            for of, each in (of_site or {}).items()
            if each.is_left_out
        }
        assert set(self.lake.report.left_out) == left_out | parts
        refused = {(row["site_id"], row["collection"], row["document_id"]) for row in self.lake.quarantine()}
        for site_id, of_site in expected.items():
            for of in Collection:
                known = self.known[site_id, of] if of_site is None else of_site[of].known
                rows = self.lake.rows(TABLE[of], site_id)
                assert {each: told(json.loads(row["payload"]), row) for each, row in rows.items()} == {
                    each: told(version.payload, vars(version)) for each, version in known.items()
                }
                for read in [] if of_site is None else of_site[of].merged:
                    assert {(site_id, of, each["_id"]) for each in read.documents if is_bad(each)} <= refused
        assert self.lake.problems() == []

    def keep(self, expected: dict[str, dict[Collection, Expected] | None]) -> None:
        for site_id, of_site in expected.items():
            for of, each in (of_site or {}).items():
                self.known[site_id, of] = each.known
                self.merged += [(read.window, read.fetched_at) for read in each.merged if read.is_window]


def told(payload: Document, row: dict[str, Any]) -> tuple[Document, bool, datetime]:
    return payload, row["deleted_at"] is None, row["first_seen_at"]


@given(
    histories=st.lists(runs, min_size=2, max_size=5),
    prunes=st.booleans(),
    part=st.sampled_from([1, rounds.MOST_DOCUMENTS]),
)
@settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES <= FEW,
    phases=[Phase.generate],  # a lake is too slow to shrink on: the rules' own test does that
)
def test_any_history_of_a_lake_ends_as_the_rules_demand(
    histories: list[Any], prunes: bool, part: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("include.ingestion.stage.load_parquet", write_parquet)
        patch.setattr(rounds, "MOST_DOCUMENTS", part)  # documents that are merged at once
        clock = Clock()
        history = LakeHistory(Lake(Path(folder), *(FakeSite(clock, site_id) for site_id in SITES)))
        for site_id, collection in history.known:
            changes = Changes(history.lake.sources[site_id], collection)
            changes.put_many(0, DOCUMENTS, 0)
            if not prunes:
                changes.put(ANCIENT, -100, 42)
        for before, asked, late, end in histories:
            history.change(before)
            history.run(asked, late, end)
        history.run([((site_id, of), (0, 48)) for site_id in SITES for of in Collection], [], "merge all")
