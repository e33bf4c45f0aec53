"""Documents that an answer lacks: pruned, moved, deleted, or too many of them to be believed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import SiteLeftOutError, SourceUnavailableError
from include.ingestion.collection_merge import CollectionMerge, Limits
from include.ingestion.stage import StagedRead
from include.ingestion.state import State, filter_values
from include.nightscout.windows import Collection, Window
from tests.ingestion.memory import MemoryRuns
from tests.ingestion.model import HOUR, START, entry, treatment, window_of
from tests.ingestion.rules import Known
from tests.nightscout.site_filter import selects

LIMITS = Limits(20, 20)
DAY = window_of(0, 24)


@pytest.fixture
def runs() -> MemoryRuns:
    """A site that has older documents too, so it does not prune; its first day of 20 readings is merged."""
    runs = MemoryRuns(Collection.ENTRIES)
    runs.site.put(
        entry("ancient", START - 1000 * HOUR), *(entry(f"e{hour:02}", at(hour)) for hour in range(20))
    )
    run(runs, DAY)
    return runs


def at(hour: float) -> datetime:
    return START + hour * HOUR


def run(runs: MemoryRuns, *windows: Window, limits: Limits = LIMITS) -> CollectionMerge:
    for window in windows:
        runs.stage_window(window)
    merge = runs.merge_staged(limits)
    runs.promote(merge)
    return merge


def fail(runs: MemoryRuns, *windows: Window) -> None:
    for window in windows:
        runs.stage_window(window)
    runs.end_run()


def many(count: int) -> list[dict[str, Any]]:
    """Readings of the day, one a minute."""
    return [entry(f"m{number:03}", START + number * timedelta(minutes=1)) for number in range(count)]


def test_a_document_that_is_gone_becomes_a_tombstone(runs: MemoryRuns) -> None:
    runs.site.drop("e05")
    merge = run(runs, DAY)
    assert "e05" not in runs.live()
    assert runs.known["e05"].deleted_at == merge.reads[0].one.read.fetched_at
    assert merge.reads[0].tombstoned_count == 1
    assert (runs.site.look_ups, runs.site.asked_older) == (["e05"], 1)


def test_nothing_is_asked_when_nothing_is_missing(runs: MemoryRuns) -> None:
    run(runs, DAY)
    assert (runs.site.look_ups, runs.site.asked_older) == ([], 0)


def test_a_tombstone_is_not_asked_for_again(runs: MemoryRuns) -> None:
    runs.site.drop("e05")
    run(runs, DAY)
    run(runs, DAY)
    assert runs.site.look_ups == ["e05"]


def test_only_what_the_window_selects_is_expected(runs: MemoryRuns) -> None:
    runs.site.drop("e05", "e15")
    run(runs, window_of(0, 12))
    assert "e05" not in runs.live()
    assert "e15" in runs.live()


def test_bounds_are_half_open(runs: MemoryRuns) -> None:
    runs.site.drop("e05", "e06", "e10")
    run(runs, window_of(6, 10))
    assert {"e05", "e10"} <= set(runs.live())
    assert "e06" not in runs.live()


def test_what_has_moved_is_found_and_merged_as_a_read_of_its_own(runs: MemoryRuns) -> None:
    runs.site.put(entry("e05", at(40), 99))
    merge = run(runs, DAY)
    assert runs.live()["e05"] == entry("e05", at(40), 99)
    window, look_up = merge.reads
    assert (window.tombstoned_count, look_up.tally.updated) == (0, 1)
    assert (look_up.one.read.kind, look_up.one.read.document_id, look_up.one.window) == (
        "look_up",
        "e05",
        DAY,
    )


def test_what_was_retired_at_another_time_is_found_too(runs: MemoryRuns) -> None:
    runs.site.put(entry("e05", at(40), isValid=False))
    merge = run(runs, DAY)
    assert "e05" not in runs.live()
    assert merge.reads[1].tally.retired_live == 1


def test_a_quarantined_row_is_present_and_its_last_version_stays_live(runs: MemoryRuns) -> None:
    runs.site.put(entry("e05", at(5), "x"))
    run(runs, DAY)
    assert runs.live()["e05"] == entry("e05", at(5))
    assert runs.site.look_ups == []


def test_what_moved_and_is_quarantined_now_stays_live_as_it_was(runs: MemoryRuns) -> None:
    runs.site.put(entry("e05", at(40), "x"))
    merge = run(runs, DAY)
    assert runs.live()["e05"] == entry("e05", at(5))
    assert merge.reads[1].one.validation.quarantined_count == 1


def test_of_a_site_that_prunes_what_is_older_than_its_answer_is_kept(runs: MemoryRuns) -> None:
    runs.site.drop("ancient", *(f"e{hour:02}" for hour in range(8)), "e15")
    merge = run(runs, DAY)
    assert runs.site.look_ups == ["e15"]
    assert merge.reads[0].kept_count == 8
    assert {f"e{hour:02}" for hour in range(8)} <= set(runs.live())
    assert "e15" not in runs.live()


def test_of_a_site_that_prunes_everything_is_kept_when_the_answer_is_empty(runs: MemoryRuns) -> None:
    runs.site.documents[Collection.ENTRIES].clear()
    merge = run(runs, DAY)
    assert (merge.reads[0].kept_count, len(runs.live()), runs.site.look_ups) == (20, 20, [])


def test_the_oldest_of_an_answer_may_be_quarantined(runs: MemoryRuns) -> None:
    runs.site.drop("ancient", "e00", "e01", "e05")
    runs.site.put(entry("e03", at(3), "x"))
    runs.site.drop("e02", "e04")
    merge = run(runs, DAY)
    assert merge.reads[0].kept_count == 3
    assert sorted(runs.site.look_ups) == ["e04", "e05"]


def test_what_is_as_old_as_the_oldest_of_the_answer_is_looked_up(runs: MemoryRuns) -> None:
    runs.site.put(entry("twin", at(5)))
    run(runs, DAY)
    runs.site.drop("ancient", "twin", *(f"e{hour:02}" for hour in range(5)))
    run(runs, DAY)
    assert runs.site.look_ups == ["twin"]


def test_pruned_documents_do_not_count_for_the_limit(runs: MemoryRuns) -> None:
    runs.site.put(*many(100))
    run(runs, DAY)
    runs.site.drop("ancient", "e00", "e01", *(f"m{number:03}" for number in range(90)))
    assert run(runs, DAY).reads[0].kept_count == 92


def test_nor_do_they_make_the_missing_look_few(runs: MemoryRuns) -> None:
    runs.site.put(*many(100))
    run(runs, DAY)
    runs.site.drop("ancient", "e00", *(f"m{number:03}" for number in range(60)))
    runs.site.drop(*(f"m{number:03}" for number in range(70, 83)))
    with pytest.raises(SiteLeftOutError, match="13 of 59 documents"):  # of 120, it would be 11 %
        run(runs, DAY)


def test_what_one_look_up_answered_is_merged_once(runs: MemoryRuns) -> None:
    runs.site.put(entry("e05", at(40), "x"))  # still missing in the second window: nothing was accepted
    merge = run(runs, DAY, window_of(4, 8))
    assert [read.one.read.kind for read in merge.reads] == ["window", "look_up", "window"]


@pytest.mark.parametrize(("expected", "missing", "is_over"), [
    (20, 12, False),  # never more than 12
    (65, 13, False),  # 20 %
    (64, 13, True),
    (13, 13, True),
])  # fmt: skip
def test_many_missing_leave_the_site_out_without_look_ups(expected: int, missing: int, is_over: bool) -> None:
    runs = MemoryRuns(Collection.ENTRIES)
    runs.site.put(entry("ancient", START - 1000 * HOUR), *many(expected))
    run(runs, DAY)
    runs.site.drop(*(f"m{number:03}" for number in range(missing)))
    if not is_over:
        run(runs, DAY)
        assert len(runs.site.look_ups) == missing
        return
    with pytest.raises(
        SiteLeftOutError, match=f"{missing} of {expected} documents .* missing.*MAX_MISSING_PCT=20"
    ):
        run(runs, DAY)
    assert runs.site.look_ups == []
    run(runs, DAY, limits=Limits(20, 100))  # raised for one run: accepted
    assert len(runs.live()) == expected - missing


def test_a_site_that_does_not_answer_a_look_up_is_not_believed(runs: MemoryRuns) -> None:
    runs.site.drop("e05")
    runs.stage_window(DAY)
    runs.site.is_down = True
    with pytest.raises(SourceUnavailableError):
        runs.merge_staged(LIMITS)


def test_the_same_question_is_asked_once(runs: MemoryRuns) -> None:
    """Also when the reads are gone through again, because one of them had to be set aside."""
    runs.site.drop("e05")
    runs.site.put(entry("e06", at(100)))
    fail(runs, DAY)
    runs.site.put(*(entry(f"b{number}", at(7), "x") for number in range(13)))
    fail(runs, window_of(0, 12))
    merge = run(runs, window_of(10, 12))
    assert len(merge.set_aside) == 1
    assert sorted(runs.site.look_ups) == ["e05", "e06"]
    assert runs.site.asked_older == 1


def hidden(runs: MemoryRuns, window: Window) -> StagedRead:
    """A read of a run that ended without a promote and turns up later."""
    read = runs.stage_window(window)
    runs.staged.remove(read)
    runs.end_run()
    return read


def test_what_newer_answers_lacked_is_looked_up_when_a_left_over_brings_it(runs: MemoryRuns) -> None:
    runs.site.put(*many(40))
    run(runs, DAY)
    brief = [entry(f"brief{number:02}", at(3)) for number in range(14)]
    runs.site.put(*brief, entry("retired", at(3), isValid=False))
    left_over = hidden(runs, DAY)
    runs.site.drop("retired", *(document["_id"] for document in brief))
    run(runs, DAY)
    runs.staged.append(left_over)
    merge = run(runs, window_of(100, 101))
    assert merge.set_aside == []  # 14 of 74 are not too many, of 60 they would be
    assert sorted(runs.site.look_ups) == [document["_id"] for document in brief]
    assert merge.reads[0].tombstoned_count == 14
    assert (merge.reads[0].live_before, merge.reads[0].live_after, len(runs.live())) == (60, 60, 60)
    assert "retired" in runs.known


def test_what_newer_answers_lacked_because_it_was_pruned_is_kept(runs: MemoryRuns) -> None:
    runs.site.put(entry("brief", at(3)))
    left_over = hidden(runs, DAY)
    runs.site.drop("ancient", "brief", "e00", "e01", "e02", "e03")
    run(runs, DAY)
    runs.staged.append(left_over)
    run(runs, window_of(100, 101))
    assert "brief" in runs.live()


def test_too_much_that_newer_answers_lacked_sets_a_left_over_aside(runs: MemoryRuns) -> None:
    runs.site.put(*many(13))
    left_over = hidden(runs, DAY)
    runs.site.drop(*(document["_id"] for document in many(13)))
    run(runs, DAY)
    runs.staged.append(left_over)
    assert len(run(runs, window_of(100, 101)).set_aside) == 1


def test_each_read_decides_for_its_own_time(runs: MemoryRuns) -> None:
    """The first answer already lacked it: that is when it was found gone."""
    runs.site.drop("e05")
    fail(runs, DAY)
    first = runs.staged[0]
    run(runs, DAY)
    assert runs.known["e05"].deleted_at == first.fetched_at


def test_what_a_newer_read_has_is_not_gone(runs: MemoryRuns) -> None:
    moved = entry("e05", at(40))
    runs.site.put(moved)
    fail(runs, DAY)
    run(runs, window_of(24, 48))
    assert runs.live()["e05"] == moved
    assert runs.site.look_ups == []


def test_older_reads_of_the_batch_are_expected_too(runs: MemoryRuns) -> None:
    runs.site.put(entry("brief", at(6)))
    fail(runs, DAY)
    runs.site.drop("brief")
    run(runs, DAY)
    assert runs.known["brief"].deleted_at is not None


def test_a_left_over_over_a_limit_is_set_aside_alone(runs: MemoryRuns) -> None:
    lost = [f"e{hour:02}" for hour in range(15)]
    gone = [runs.site.documents[Collection.ENTRIES][identifier] for identifier in lost]
    runs.site.drop(*lost)
    fail(runs, DAY)
    runs.site.put(*gone)
    runs.site.put(entry("new", at(30)))
    merge = run(runs, window_of(24, 48))
    assert [(one.window, "missing" in reason) for one, reason in merge.set_aside] == [(DAY, True)]
    assert "new" in runs.live()
    assert len(runs.staged) == 1
    assert runs.site.look_ups == []


def test_what_was_set_aside_is_merged_with_the_first_newer_read_that_contains_it(runs: MemoryRuns) -> None:
    runs.site.put(entry("brief", at(6)), *(entry(f"b{number}", at(7), "x") for number in range(13)))
    fail(runs, DAY)
    runs.site.drop("brief", *(f"b{number}" for number in range(13)))
    assert len(run(runs, window_of(0, 12)).set_aside) == 1  # it does not contain it
    merge = run(runs, window_of(0, 30))
    assert merge.set_aside == []
    assert next(iter(merge.unchecked.values())).startswith("13 of 34 documents")
    assert runs.known["brief"].deleted_at is not None  # the newer read decided
    assert runs.staged == []


def test_raising_the_limit_for_one_run_accepts_what_was_set_aside(runs: MemoryRuns) -> None:
    runs.site.put(*(entry(f"b{number}", at(7), "x") for number in range(13)), entry("good", at(8)))
    fail(runs, DAY)
    assert len(run(runs, window_of(24, 48)).set_aside) == 1
    merge = run(runs, window_of(24, 48), limits=Limits(100, 20))
    assert merge.set_aside == []
    assert "good" in runs.live()


def test_a_left_over_that_would_make_a_newer_read_unbelievable_stays_aside(runs: MemoryRuns) -> None:
    """Thirty strange readings beside the quarantined ones, all gone when the window is read again."""
    strange = [*many(30), *(entry(f"b{number}", at(7), "x") for number in range(13))]
    runs.site.put(*strange)
    fail(runs, DAY)
    runs.site.drop(*(document["_id"] for document in strange))
    merge = run(runs, DAY)
    assert [one.window for one, _ in merge.set_aside] == [DAY]
    assert len(runs.live()) == 20


def test_too_many_quarantined_of_this_run_leave_the_site_out(runs: MemoryRuns) -> None:
    runs.site.put(*(entry(f"b{number}", at(7), "x") for number in range(13)))
    with pytest.raises(SiteLeftOutError, match="MAX_QUARANTINE_PCT=20"):
        run(runs, DAY)


entry_documents = st.fixed_dictionaries(
    {
        "date": st.floats(0, 2e12)
        | st.integers(0, 2 * 10**12)
        | st.none()
        | st.sampled_from([1727740800000.0, 1727740799999.9])
    }
)
treatment_documents = st.fixed_dictionaries(
    {
        "created_at": st.none()
        | st.datetimes(datetime(2024, 9, 30), datetime(2024, 10, 3)).map(lambda at: at.isoformat())  # noqa: DTZ001
        | st.sampled_from(
            [
                "2024-10-01T00:00:00.000Z",
                "2024-10-01T00:00:00Z",
                "2024-10-01T00:00:00.000Zz",
                "2024-10-01",
                "x",
                "",
            ]
        )
        | st.text(max_size=30)
    }
)
instants = st.datetimes(datetime(2024, 9, 29), datetime(2024, 10, 4), timezones=st.just(UTC))  # noqa: DTZ001


@given(documents=st.lists(entry_documents, max_size=8), start=instants, hours=st.integers(1, 60))
def test_expected_entries_are_those_that_the_requests_filter_selects(
    documents: list[Any], start: datetime, hours: int
) -> None:
    check_expected(Window("home", Collection.ENTRIES, start, start + hours * HOUR), "date", documents)


@given(documents=st.lists(treatment_documents, max_size=8), start=instants, hours=st.integers(1, 60))
def test_expected_treatments_are_those_that_the_requests_filter_selects(
    documents: list[Any], start: datetime, hours: int
) -> None:
    check_expected(
        Window("home", Collection.TREATMENTS, start, start + hours * HOUR), "created_at", documents
    )


def check_expected(window: Window, name: str, documents: list[Any]) -> None:
    state = State.empty(window.collection, len(documents))
    state.exists[:] = True
    values = pl.Series([document[name] for document in documents], strict=False)
    state.filter_value[:] = filter_values(window.collection, values)
    found = state.expected(window, 0, is_left_over=False)
    assert found.tolist() == [number for number, each in enumerate(documents) if selects(window, each)]


def test_treatments_are_compared_as_text(runs: MemoryRuns) -> None:
    runs = MemoryRuns(Collection.TREATMENTS)
    offset = treatment("t1", at(0)) | {"created_at": "2024-10-01T23:30:00-07:00"}  # the next day in UTC
    runs.site.put(treatment("t0", at(-99)), offset, collection=Collection.TREATMENTS)
    run(runs, window_of(0, 24, Collection.TREATMENTS))
    assert "t1" in runs.known
    runs.site.drop("t1", collection=Collection.TREATMENTS)
    run(runs, window_of(24, 48, Collection.TREATMENTS))
    assert "t1" in runs.live()
    run(runs, window_of(0, 24, Collection.TREATMENTS))
    assert "t1" not in runs.live()


def test_a_document_that_no_window_selects_is_never_missing(runs: MemoryRuns) -> None:
    runs.known["odd"] = Known(entry("odd", at(5)) | {"date": None}, None, at(30), at(30))
    run(runs, window_of(-100, 100))
    assert "odd" in runs.live()
    assert np.isnan(filter_values(Collection.ENTRIES, pl.Series([None]))[0])
