"""The rules of a merge against the model of what the design demands, over random histories of a site."""

import json
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.errors import SiteLeftOutError
from include.ingestion.collection_merge import CollectionMerge, Limits
from include.nightscout.windows import Collection
from tests.ingestion.changes import ANCIENT, DOCUMENTS, HOURS, Changes, bounds, change, numbers
from tests.ingestion.memory import MemoryRuns, known_after
from tests.ingestion.model import window_of
from tests.ingestion.rules import Known, LeftOutByTheRules, is_bad, merge_by_the_rules
from tests.nightscout.site_filter import selects

FEW = 300
EXAMPLES = int(os.environ.get("MERGE_RULES", FEW))  # more, and others each time, in test-stack

changed = st.lists(change, max_size=3)
read = st.tuples(st.just("read"), bounds, st.none() | numbers)
end = st.sampled_from(
    [("merge", 20.0), ("merge", 20.0), ("merge", 20.0), ("merge", 100.0), ("fail",), ("fail",)]
)
run = st.tuples(changed, st.lists(st.tuples(read, changed), min_size=1, max_size=3), end)


def steps_of(runs: list[Any]) -> list[tuple[Any, ...]]:
    steps: list[tuple[Any, ...]] = [("put_many", 0, DOCUMENTS, 0)]
    for before, reads, last in runs:
        steps += before
        for each, after in reads:
            steps += [each, *after]
        steps.append(last)
    return steps


histories = st.lists(run, min_size=2, max_size=6).map(steps_of)


class History(MemoryRuns):
    """Steps of a history; after each merge raw is compared with what the rules demand."""

    def apply(self, step: tuple[Any, ...]) -> None:
        if step[0] in ("read", "merge", "fail"):
            getattr(self, step[0])(*step[1:])
        else:
            self.changes.apply(step)

    @property
    def changes(self) -> Changes:
        return Changes(self.site, self.collection)

    def read(self, bounds: tuple[int, int], twice: int | None) -> None:
        """Read a window; the answer holds one document `twice`, first as it was before an edit."""
        window = window_of(*bounds, self.collection)
        if self.stage.find(window, self.branch) is not None:
            return
        answer = self.site.read_window(window)
        document = self.changes.document(twice) if twice is not None else None
        if document and selects(window, document):
            older = json.dumps({**document, "sgv": 77, "insulin": 77})
            answer = replace(answer, documents=(older, *answer.documents))
        self.stage_window(window, answer)

    def fail(self) -> None:
        self.end_run()

    def merge(self, percent: float) -> None:
        if not self.staged:
            return
        limits = Limits(percent, percent)
        answered = [self.stage.answered(read, self.branch) for read in self.staged]
        before = [(read.window, read.fetched_at) for read in self.merged_windows]
        try:
            expected = merge_by_the_rules(self.known, answered, self.site, limits, before)
        except LeftOutByTheRules:
            with pytest.raises(SiteLeftOutError):
                self.merge_staged(limits)
            self.end_run()
            return
        merge = self.merge_staged(limits)
        after = known_after(merge, self.stage, self.known)
        self.compare(expected.known, after)
        assert {one.read_id for one, _ in merge.set_aside} == expected.set_aside
        assert sum(read.kept_count for read in merge.reads) == expected.kept
        self.check_counts(merge, after)
        self.check_nothing_is_lost(merge, after)
        self.promote(merge)

    def compare(self, expected: dict[str, Known], after: dict[str, Known]) -> None:
        assert {each: (v.payload, v.deleted_at is None, v.first_seen_at) for each, v in after.items()} == {
            each: (v.payload, v.deleted_at is None, v.first_seen_at) for each, v in expected.items()
        }

    def check_counts(self, merge: CollectionMerge, after: dict[str, Known]) -> None:
        """The ledger's equations, over the merge's own claims."""
        live = sum(version.deleted_at is None for version in self.known.values())
        for read in merge.reads:
            tally = read.tally
            became = tally.inserted + tally.updated + tally.unchanged + tally.revived + tally.retired
            assert became + tally.superseded == read.one.validation.accepted_count
            assert read.live_before == live
            live = read.live_after
        assert live == sum(version.deleted_at is None for version in after.values())

    def check_nothing_is_lost(self, merge: CollectionMerge, after: dict[str, Known]) -> None:
        """What any merged answer held is known, unless every version of it was bad."""
        for read in merge.reads:
            for document in self.stage.reads[read.one.read_id][1]:
                if not is_bad(document):
                    assert document["_id"] in after


@given(collection=st.sampled_from(Collection), prunes=st.booleans(), steps=histories)
@settings(max_examples=EXAMPLES, derandomize=EXAMPLES <= FEW)
def test_any_history_ends_as_the_rules_demand(
    collection: Collection, prunes: bool, steps: list[tuple[Any, ...]]
) -> None:
    history = History(collection)
    if not prunes:
        history.changes.put(ANCIENT, -100, 42)
    for step in [*steps, ("read", (0, HOURS), None), ("merge", 100.0)]:
        history.apply(step)
