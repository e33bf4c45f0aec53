"""The rules of a merge against the model of what the design demands, over random histories of a site."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.errors import SiteLeftOutError
from include.ingestion.collection_merge import CollectionMerge, Limits
from include.nightscout.windows import Collection, selects
from tests.ingestion.memory import MemoryRuns, known_after
from tests.ingestion.model import HOUR, START, Document, entry, treatment, window_of
from tests.ingestion.rules import Known, LeftOutByTheRules, is_bad, merge_by_the_rules

HOURS = 48
DOCUMENTS = 40
ANCIENT = 99  # a document older than every window: the site does not prune

hours = st.integers(0, HOURS - 1)
numbers = st.integers(0, DOCUMENTS - 1)
values = st.integers(40, 42)  # few, so that edits are taken back
bounds = st.sampled_from([(0, 48), (0, 48), (0, 24), (24, 48), (8, 40), (8, 16), (24, 32)])
many = st.sampled_from([11, 12, 13, 14, 25])

change = st.one_of(
    st.tuples(st.just("put"), numbers, hours, values),
    st.tuples(st.just("put_many"), numbers, many, hours),
    st.tuples(st.just("move"), numbers, hours),
    st.tuples(st.just("move_many"), numbers, many, hours),
    st.tuples(st.just("edit"), numbers, values),
    st.tuples(st.just("spoil"), numbers),
    st.tuples(st.just("spoil_many"), numbers, many),
    st.tuples(st.just("invalidate"), numbers),
    st.tuples(st.just("drop"), numbers),
    st.tuples(st.just("drop_many"), numbers, many),
    st.tuples(st.just("prune"), hours),
)
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
        getattr(self, step[0])(*step[1:])

    def document(self, number: int) -> Document | None:
        return self.site.documents[self.collection].get(f"d{number:02}")

    def put(self, number: int, hour: int, value: int) -> None:
        make = entry if self.collection is Collection.ENTRIES else treatment
        self.site.put(make(f"d{number:02}", START + hour * HOUR, value), collection=self.collection)

    def put_many(self, first: int, count: int, hour: int) -> None:
        for number in range(first, min(first + count, DOCUMENTS)):
            self.put(number, (hour + number) % HOURS, 100)

    def move(self, number: int, hour: int) -> None:
        if self.document(number):
            self.put(number, hour, 111)

    def move_many(self, first: int, count: int, hour: int) -> None:
        for number in range(first, first + count):
            self.move(number, hour)

    def edit(self, number: int, value: int) -> None:
        self._change(number, sgv=value, insulin=value, isValid=True)

    def spoil(self, number: int) -> None:
        self._change(number, sgv="x", type="sgv")

    def spoil_many(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.spoil(number)

    def invalidate(self, number: int) -> None:
        self._change(number, isValid=False)

    def drop(self, number: int) -> None:
        self.site.documents[self.collection].pop(f"d{number:02}", None)

    def drop_many(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.drop(number)

    def prune(self, hour: int) -> None:
        old = window_of(-1, max(hour, 0), self.collection)
        documents = self.site.documents[self.collection]
        for identifier in [each for each, document in documents.items() if selects(old, document)]:
            del documents[identifier]

    def read(self, bounds: tuple[int, int], twice: int | None) -> None:
        """Read a window; the answer holds one document `twice`, first as it was before an edit."""
        window = window_of(*bounds, self.collection)
        if self.stage.find(window, self.branch) is not None:
            return
        answer = self.site.read_window(window)
        document = self.document(twice) if twice is not None else None
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

    def _change(self, number: int, **fields: Any) -> None:
        document = self.document(number)
        if document:
            self.site.put({**document, **fields}, collection=self.collection)


@given(collection=st.sampled_from(Collection), prunes=st.booleans(), steps=histories)
@settings(max_examples=400, deadline=None)
def test_any_history_ends_as_the_rules_demand(
    collection: Collection, prunes: bool, steps: list[tuple[Any, ...]]
) -> None:
    history = History(collection)
    if not prunes:
        history.put(ANCIENT, -100, 42)
    for step in [*steps, ("read", (0, HOURS), None), ("merge", 100.0)]:
        history.apply(step)
