"""What the outcomes of a version tell: coverage, progress, origins, what was merged."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from include.ingestion.outcomes import Outcomes
from include.ingestion.spans import join_spans
from include.nightscout.windows import Collection
from tests.ingestion.model import HOUR, START, window_of

Row = dict[str, Any]


def row(first: float, last: float, **more: Any) -> Row:
    """A merged window of entries, hours after START."""
    return {
        "read_id": f"read {first} {last} {sorted(more.items())}",
        "site_id": "home",
        "collection": "entries",
        "kind": "window",
        "origin": "https://home.example",
        "window_start": START + first * HOUR,
        "window_end": START + last * HOUR,
        "fetched_at": START + 1000 * HOUR,
        "lease_number": 1,
        "status": "merged",
        "message": None,
    } | more


def outcomes(*rows: Row) -> Outcomes:
    return Outcomes(pl.DataFrame(list(rows), schema=Outcomes.empty().rows.schema))


def span(first: float, last: float) -> tuple[Any, Any]:
    return START + first * HOUR, START + last * HOUR


def test_windows_that_touch_or_overlap_cover_one_span() -> None:
    found = outcomes(row(0, 24), row(48, 72), row(24, 30), row(60, 80)).whole()
    assert found == {("home", Collection.ENTRIES): [span(0, 30), span(48, 80)]}


def test_only_merged_windows_are_whole() -> None:
    known = outcomes(
        row(0, 1, status="failed"),
        row(1, 2, status="left_out"),
        row(2, 3, status="set_aside"),
        row(3, 4, kind="look_up"),
        row(4, 4, kind="move"),
    )
    assert known.whole() == {}
    assert known.data_through("home") is None
    assert {read.split()[1] for read in known.merged_reads()} == {"3", "4"}


def test_data_reaches_as_far_as_the_collection_that_reaches_least() -> None:
    known = outcomes(
        row(0, 100), row(200, 300), row(0, 50, collection="treatments"), row(0, 20, collection="treatments")
    )
    assert known.data_through("home") == START + 50 * HOUR


def test_an_old_day_read_again_does_not_move_how_far_data_reaches() -> None:
    known = outcomes(row(0, 100), row(0, 100, collection="treatments"), row(5, 6, lease_number=2))
    assert known.data_through("home") == START + 100 * HOUR


def test_data_reaches_nowhere_until_each_collection_was_read() -> None:
    assert outcomes(row(0, 100)).data_through("home") is None
    assert Outcomes.empty().data_through("home") is None


def test_a_site_is_bound_to_its_first_merged_origin_or_its_last_move() -> None:
    known = [
        row(0, 1, origin="https://failed", status="left_out", lease_number=0),
        row(0, 2, origin="https://first", lease_number=1, fetched_at=START + HOUR),
        row(0, 3, origin="https://second", lease_number=2, fetched_at=START),
        row(0, 1, origin="demo", site_id="demo"),
    ]
    assert outcomes(*known).origins() == {"home": "https://first", "demo": "demo"}
    moves = [row(9, 9, kind="move", origin=f"https://moved{n}", lease_number=n) for n in (4, 3)]
    assert outcomes(*known, *moves).origins()["home"] == "https://moved4"
    assert outcomes(*known).real_sites() == ["home"]


def test_windows_read_since_are_those_that_could_contradict_an_older_answer() -> None:
    later = {"fetched_at": START + 2000 * HOUR}
    known = outcomes(
        row(0, 24),
        row(12, 36, **later),
        row(24, 48, **later),
        row(0, 24, site_id="other", **later),
        row(0, 24, collection="treatments", **later),
        row(0, 24, kind="look_up", **later),
        row(0, 24, status="set_aside", **later),
    )
    assert known.read_since(window_of(0, 24), START + 1000 * HOUR) == [window_of(12, 36)]


def test_a_read_is_as_old_as_the_run_that_merged_it() -> None:
    known = outcomes(
        row(0, 1, fetched_at=START),
        row(1, 2, fetched_at=START, lease_number=2),
        row(2, 3, fetched_at=START + timedelta(days=40), lease_number=2),
        row(3, 4, fetched_at=START, status="set_aside"),
        row(4, 5, fetched_at=START, lease_number=3),
        row(5, 6, fetched_at=START + timedelta(days=40), lease_number=3, status="failed"),
    )
    assert {read.split()[1] for read in known.merged_before(START + timedelta(days=30))} == {"0"}


hours = st.integers(0, 30)
spans = st.lists(st.tuples(hours, hours).filter(lambda pair: pair[0] < pair[1]), max_size=8)


@given(spans=spans)
def test_joined_spans_cover_the_same_hours_and_are_apart(spans: list[tuple[int, int]]) -> None:
    joined = join_spans((START + first * HOUR, START + last * HOUR) for first, last in spans)
    covered = {hour for first, last in spans for hour in range(first, last)}
    assert {
        hour for hour in range(31) if any(first <= START + hour * HOUR < last for first, last in joined)
    } == covered
    assert joined == sorted(joined)
    assert all(before[1] < after[0] for before, after in pairwise(joined))
