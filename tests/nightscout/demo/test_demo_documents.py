"""The simulated person's documents: determined, settled, never in the future, and plausible."""

import hashlib
import json
import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from statistics import mean
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.nightscout.demo import DEMO_ZONE, documents, profiles
from include.nightscout.windows import Collection, Window
from tests.nightscout.site_filter import selects

ZONE = ZoneInfo(DEMO_ZONE)
HOUR = timedelta(hours=1)
LONG_AFTER = datetime(2040, 1, 1, tzinfo=UTC)

# Made once and compared since: the documents must stay what they are on every version of Python.
FINGERPRINTS = {
    (Collection.ENTRIES, date(2020, 1, 1)): "93f28ac0bb84c778",
    (Collection.ENTRIES, date(2024, 3, 31)): "91d202dfe9deb138",
    (Collection.ENTRIES, date(2024, 10, 27)): "1ee7d9d086b3e599",
    (Collection.TREATMENTS, date(2020, 1, 1)): "afea4cb331df31d2",
    (Collection.TREATMENTS, date(2024, 3, 31)): "33b99904f0472bd9",
    (Collection.TREATMENTS, date(2024, 10, 27)): "8cb83f35caa163c9",
}

days = st.dates(date(2020, 1, 1), date(2035, 12, 31))
BY_DATE = [collection for collection in Collection if not collection.is_read_whole]
collections = st.sampled_from(BY_DATE)


def local(day: date, hour: int = 0) -> datetime:
    return datetime.combine(day, time(hour), ZONE).astimezone(UTC)


def local_day(day: date) -> tuple[datetime, datetime]:
    return local(day), local(day + timedelta(days=1))


def instant_of(document: dict[str, Any]) -> datetime:
    if "date" in document:
        return datetime.fromtimestamp(document["date"] / 1000, UTC)
    return datetime.fromisoformat(document["created_at"])


def arrival_of(document: dict[str, Any]) -> datetime:
    """The second of arrival, which every `_id` begins with."""
    return datetime.fromtimestamp(int(document["_id"][:8], 16), UTC)


@pytest.mark.parametrize(("collection", "day"), FINGERPRINTS)
def test_documents_are_the_same_on_every_python(collection: Collection, day: date) -> None:
    found = documents(collection, *local_day(day), LONG_AFTER)
    text = json.dumps(found, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == FINGERPRINTS[collection, day]


@settings(max_examples=40)
@given(day=days, collection=collections, first=st.floats(48, 20_000), second=st.floats(48, 20_000))
def test_a_day_is_settled_48_hours_after_it_ended(
    day: date, collection: Collection, first: float, second: float
) -> None:
    start, end = local_day(day)
    found = documents(collection, start, end, end + first * HOUR)
    assert found == documents(collection, start, end, end + second * HOUR)
    assert found


@settings(max_examples=40)
@given(day=days, collection=collections, minute=st.integers(0, 1439))
def test_nothing_lies_in_the_future(day: date, collection: Collection, minute: int) -> None:
    now = local(day) + timedelta(minutes=minute)
    for document in documents(collection, now - 30 * HOUR, now + 60 * HOUR, now):
        assert instant_of(document) <= now
        assert arrival_of(document) <= now


@settings(max_examples=30)
@given(
    day=days, collection=collections, age=st.floats(0, 80), minutes=st.lists(st.integers(0, 4320), min_size=2)
)
def test_windows_cut_the_same_documents(
    day: date, collection: Collection, age: float, minutes: list[int]
) -> None:
    start, end = local(day), local(day) + 72 * HOUR
    now = start + age * HOUR
    whole = documents(collection, start, end, now)
    bounds = sorted({start + timedelta(minutes=minute) for minute in minutes} | {start, end})
    parts = []
    for since, until in pairwise(bounds):
        part = documents(collection, since, until, now)
        window = Window("demo", collection, since, until)
        assert part == [document for document in whole if selects(window, document)]
        parts = part + parts
    assert parts == whole


def test_answers_belong_to_the_caller() -> None:
    window = (local(date(2024, 5, 1)), local(date(2024, 5, 2)), LONG_AFTER)
    for collection in BY_DATE:
        documents(collection, *window)[0].clear()
        assert all(documents(collection, *window))


def test_nothing_lies_before_the_first_day() -> None:
    first = local(date(2020, 1, 1))
    for collection in BY_DATE:
        found = documents(collection, first - 1000 * HOUR, first + 3 * HOUR, LONG_AFTER)
        assert found
        assert min(map(instant_of, found)) >= first


def test_ids_are_24_digits_and_never_repeat() -> None:
    start = local(date(2022, 2, 1))
    identifiers = [
        document["_id"]
        for collection in BY_DATE
        for document in documents(collection, start, start + 60 * 24 * HOUR, LONG_AFTER)
    ]
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch("[0-9a-f]{24}", identifier) for identifier in identifiers)


def test_days_follow_the_clock_changes() -> None:
    """23, 24 and 25 hours: with one reading in five minutes never more than 276, 288 and 300 slots."""
    for day, hours in ((date(2024, 3, 31), 23), (date(2024, 4, 1), 24), (date(2024, 10, 27), 25)):
        start, end = local_day(day)
        assert end - start == hours * HOUR
        found = documents(Collection.ENTRIES, start, end, LONG_AFTER)
        slots = {document["date"] // 300_000 for document in found if document["type"] == "sgv"}
        assert hours * 12 / 2 < len(slots) <= hours * 12


def test_each_profile_names_zone_units_and_basal() -> None:
    for profile in profiles(LONG_AFTER):
        store = profile["store"][profile["defaultProfile"]]
        assert store["timezone"] == "Europe/Berlin"
        assert store["units"] == "mg/dl"
        assert [rate["timeAsSeconds"] for rate in store["basal"]] == [0, 14400, 32400, 61200, 79200]


def test_a_new_profile_every_year_that_is_corrected_once() -> None:
    held = profiles(datetime(2022, 1, 8, 9, 31, tzinfo=UTC))
    assert [one["startDate"] for one in held] == [
        "2022-01-08T09:30:00.000Z",
        "2021-01-08T09:30:00.000Z",
        "2019-12-31T23:00:00.000Z",
    ]
    later = {one["_id"]: one for one in profiles(datetime(2022, 3, 1, tzinfo=UTC))}
    assert set(later) == {one["_id"] for one in held}
    assert [one for one in held if one != later[one["_id"]]] == held[:1]
    assert profiles(datetime(2022, 1, 8, 9, 29, tzinfo=UTC))[0]["startDate"] == held[1]["startDate"]


@pytest.fixture(scope="module")
def year() -> list[tuple[datetime, int]]:
    """Two days of every five of a year: the readings of the sensor's own app, oldest first, by the clock."""
    found = []
    for number in range(0, 365, 5):
        start = date(2023, 1, 1) + timedelta(days=number)
        found += reversed(
            documents(Collection.ENTRIES, local(start), local(start + timedelta(days=2)), LONG_AFTER)
        )
    return [
        (instant_of(document).astimezone(ZONE), document["sgv"])
        for document in found
        if document["type"] == "sgv" and document["sgv"] >= 20 and document["device"] != "share2"
    ]


def test_a_year_looks_like_a_person(year: list[tuple[datetime, int]]) -> None:
    glucose = [value for _, value in year]

    def share(is_counted: Any) -> float:
        return 100 * sum(map(is_counted, glucose)) / len(glucose)

    assert 0.9 < len(glucose) / (73 * 2 * 288) < 0.99
    assert 143 < mean(glucose) < 158
    assert 65 < share(lambda value: 70 <= value <= 180) < 75
    assert 1 < share(lambda value: value < 70) < 5
    assert 0.2 < share(lambda value: value < 54) < 1.2
    assert 2 < share(lambda value: value > 250) < 8
    assert min(glucose) == 39
    assert max(glucose) == 401


def test_glucose_rises_at_dawn_and_after_meals(year: list[tuple[datetime, int]]) -> None:
    by_hour: dict[int, list[int]] = {hour: [] for hour in range(24)}
    for instant, value in year:
        by_hour[instant.hour].append(value)
    hourly = {hour: mean(values) for hour, values in by_hour.items()}
    assert hourly[6] > hourly[2] + 8
    assert hourly[8] > hourly[6] + 10
    assert hourly[14] > hourly[11] + 25
    assert hourly[20] > hourly[17] + 25


def test_glucose_has_no_seam_at_midnight(year: list[tuple[datetime, int]]) -> None:
    steps = [
        (abs(later - earlier), after.date() != before.date())
        for (before, earlier), (after, later) in pairwise(year)
        if after - before < timedelta(minutes=6)
    ]
    assert sum(is_midnight for _, is_midnight in steps) > 60
    assert max(step for step, is_midnight in steps if is_midnight) < 15
    assert mean(step for step, is_midnight in steps if is_midnight) < mean(step for step, _ in steps) + 1
