"""Windows: their bounds, their key, and the filter that decides what belongs to them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.nightscout.windows import Collection, Window, iso_milliseconds, milliseconds
from tests.nightscout.site_filter import selects

DAY = Window(
    "anna",
    Collection.ENTRIES,
    datetime(2024, 10, 15, tzinfo=UTC),
    datetime(2024, 10, 16, tzinfo=UTC),
)
TREATMENTS = Window("anna", Collection.TREATMENTS, DAY.start, DAY.end)
DAY_START_MS = 1728950400000
DAY_END_MS = 1729036800000

instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
windows = st.builds(
    lambda start, length: Window("anna", Collection.ENTRIES, start, start + length),
    instants,
    st.timedeltas(timedelta(milliseconds=1), timedelta(days=31)),
)


def test_milliseconds_are_epoch_milliseconds() -> None:
    assert milliseconds(DAY.start) == DAY_START_MS
    assert milliseconds(datetime(2024, 10, 15, 0, 0, 0, 999, tzinfo=UTC)) == DAY_START_MS
    assert milliseconds(datetime(1969, 12, 31, 23, 59, 59, 999500, tzinfo=UTC)) == -1


def test_iso_form_is_utc_with_milliseconds() -> None:
    assert iso_milliseconds(DAY.start) == "2024-10-15T00:00:00.000Z"
    berlin = timezone(timedelta(hours=2))
    assert iso_milliseconds(datetime(2024, 10, 15, 1, 2, 3, 4567, berlin)) == "2024-10-14T23:02:03.004Z"


def test_key_names_both_bounds() -> None:
    assert DAY.key == "20241015T000000000Z-20241016T000000000Z"


@given(windows, windows)
def test_keys_sort_by_time(one: Window, other: Window) -> None:
    assert (one.key < other.key) == ((one.start, one.end) < (other.start, other.end))


@given(windows)
def test_dict_gives_the_same_window_back(window: Window) -> None:
    described = window.as_dict()
    assert all(isinstance(value, str) and type(value) is str for value in described.values())
    assert Window.from_dict(described) == window


def test_bounds_are_kept_in_utc_and_cut_to_milliseconds() -> None:
    berlin = timezone(timedelta(hours=2))
    start = datetime(2024, 10, 15, 2, 0, 0, 1999, berlin)
    end = datetime(2024, 10, 16, 2, 0, 0, 999, berlin)
    window = Window("anna", Collection.ENTRIES, start, end)
    assert window.start == datetime(2024, 10, 15, 0, 0, 0, 1000, UTC)
    assert window.end == DAY.end
    assert window.start.tzinfo is UTC


def test_naive_bounds_and_empty_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Window("anna", Collection.ENTRIES, datetime(2024, 10, 15), DAY.end)  # noqa: DTZ001
    with pytest.raises(ValueError, match="end after it starts"):
        Window("anna", Collection.ENTRIES, DAY.start, DAY.start + timedelta(microseconds=999))
    with pytest.raises(ValueError, match="end after it starts"):
        Window("anna", Collection.ENTRIES, DAY.end, DAY.start)


def test_contains_needs_the_same_site_and_collection() -> None:
    hour = timedelta(hours=1)
    inner = Window("anna", Collection.ENTRIES, DAY.start + hour, DAY.end - hour)
    assert DAY.contains(inner)
    assert DAY.contains(DAY)
    assert not inner.contains(DAY)
    assert not DAY.contains(Window("anna", Collection.ENTRIES, DAY.start, DAY.end + hour))
    assert not DAY.contains(Window("anna", Collection.ENTRIES, DAY.start - hour, DAY.end))
    assert not DAY.contains(Window("ben", Collection.ENTRIES, inner.start, inner.end))
    assert not DAY.contains(Window("anna", Collection.TREATMENTS, inner.start, inner.end))


def test_each_collection_is_filtered_by_a_field_of_its_own() -> None:
    assert Collection.ENTRIES.filter_field == "date"
    assert Collection.ENTRIES.filter_bound(DAY.start) == DAY_START_MS
    assert Collection.TREATMENTS.filter_field == "created_at"
    assert Collection.TREATMENTS.filter_bound(DAY.start) == "2024-10-15T00:00:00.000Z"


@given(windows, st.integers(-2, 2), st.sampled_from(["start", "end"]))
def test_neighbouring_windows_share_no_document_and_lose_none(
    window: Window, offset: int, bound: str
) -> None:
    document = {"date": milliseconds(getattr(window, bound)) + offset}
    length = window.end - window.start
    before = Window("anna", Collection.ENTRIES, window.start - length, window.start)
    after = Window("anna", Collection.ENTRIES, window.end, window.end + length)
    selected = [each for each in (before, window, after) if selects(each, document)]
    assert len(selected) == 1 or document["date"] >= milliseconds(after.end)
