"""What uploaders and people do to the documents of a site: strategies, and the doing."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from include.nightscout.windows import Collection, iso_milliseconds
from tests.ingestion.model import FILTER_FIELD, HOUR, MAKE, START, Document, FakeSite, window_of
from tests.nightscout.site_filter import selects

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


@dataclass
class Changes:
    """Changes to one collection of a site, by number of document and hour after START."""

    site: FakeSite
    collection: Collection

    def apply(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])

    def document(self, number: int) -> Document | None:
        return self.site.documents[self.collection].get(f"d{number:02}")

    def put(self, number: int, hour: int, value: int) -> None:
        make = MAKE[self.collection]
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
        """From now on it cannot be accepted, but windows select it as before."""
        document = self.document(number)
        if document and self.collection is Collection.ENTRIES:
            self._change(number, sgv="x")
        elif document:
            name = FILTER_FIELD[self.collection]
            self._change(number, **{name: f"{document[name][:14]}99"})

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
        if self.collection.is_read_whole:
            end = iso_milliseconds(old.end)
            pruned = [each for each, document in documents.items() if document["startDate"] < end]
        else:
            pruned = [each for each, document in documents.items() if selects(old, document)]
        for identifier in pruned:
            del documents[identifier]

    def _change(self, number: int, **fields: Any) -> None:
        document = self.document(number)
        if document:
            self.site.put({**document, **fields}, collection=self.collection)
