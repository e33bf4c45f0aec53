"""Everything that goes wrong on real sites happens to the simulated person too, within any 90 days."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.nightscout.demo import DEMO_ZONE, documents
from include.nightscout.demo.chance import falls_on

ZONE = ZoneInfo(DEMO_ZONE)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAYS = 90
LOOK_EVERY = 6 * HOUR
LONG_AFTER = datetime(2040, 1, 1, tzinfo=UTC)

Document = dict[str, Any]


def local(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE).astimezone(UTC)


def instant_of(document: Document) -> datetime:
    if "date" in document:
        return datetime.fromtimestamp(document["date"] / 1000, UTC)
    return datetime.fromisoformat(document["created_at"])


class Watched:
    """What somebody sees who looks at each of 90 days every six hours until it is settled."""

    def __init__(self, first: date) -> None:
        self.settled: dict[str, list[Document]] = {"entries": [], "treatments": []}
        self.sightings: dict[str, dict[str, list[tuple[datetime, Document]]]] = {
            "entries": {},
            "treatments": {},
        }
        for number in range(DAYS):
            day = first + timedelta(days=number)
            for collection in ("entries", "treatments"):
                self._watch(collection, local(day), local(day + timedelta(days=1)))

    def _watch(self, collection: str, start: datetime, end: datetime) -> None:
        seen = self.sightings[collection]
        now = start
        while now <= end + 48 * HOUR:
            for document in documents(collection, start, end, now):
                seen.setdefault(document["_id"], []).append((now, document))
            now += LOOK_EVERY
        self.settled[collection] += reversed(documents(collection, start, end, LONG_AFTER))

    def states(self, collection: str, name: str) -> Iterator[tuple[datetime, list[tuple[datetime, Any]]]]:
        """Per document: its first instant, and the values a field took with the time of the first sight."""
        for sightings in self.sightings[collection].values():
            values: list[tuple[datetime, Any]] = []
            for now, document in sorted(sightings, key=lambda sighting: sighting[0]):
                if not values or values[-1][1] != document.get(name):
                    values.append((now, document.get(name)))
            yield instant_of(sightings[0][1]), values

    def vanished(self, collection: str) -> list[Document]:
        """Documents that were seen and are gone once everything is settled."""
        kept = {document["_id"] for document in self.settled[collection]}
        return [each[0][1] for name, each in self.sightings[collection].items() if name not in kept]

    @property
    def readings(self) -> list[Document]:
        """The settled readings of the sensor's own app, oldest first."""
        return [
            entry
            for entry in self.settled["entries"]
            if entry["type"] == "sgv" and entry["device"] != "share2"
        ]


@pytest.fixture(scope="module", params=[date(2021, 1, 18), date(2024, 8, 30)], ids=str)
def watched(request: pytest.FixtureRequest) -> Watched:
    """Two stretches of 90 days; between them they cross both changes of the clock."""
    return Watched(request.param)


def test_a_second_uploader_sends_every_reading_of_some_days_again(watched: Watched) -> None:
    twins = [entry for entry in watched.settled["entries"] if entry.get("device") == "share2"]
    own = {int(entry["date"]) // 300_000: entry for entry in watched.readings}
    assert 12 < len({instant_of(twin).astimezone(ZONE).date() for twin in twins}) < 25
    gaps = []
    for twin in twins:
        slot = twin["date"] // 300_000
        if slot in own:
            gaps.append(twin["date"] - own[slot]["date"])
    assert len(gaps) > 0.95 * len(twins)
    assert all(500 < gap < 3500 for gap in gaps)
    directions = [twin["direction"] for twin in twins]
    assert 0.2 < directions.count(None) / len(directions) < 0.4


def test_one_uploader_writes_fractions_of_milliseconds_and_texts_cut_to_the_second(watched: Watched) -> None:
    fractional = [entry for entry in watched.readings if isinstance(entry["date"], float)]
    assert len(fractional) > 0.99 * len(watched.readings)
    for entry in fractional[:500]:
        behind = entry["date"] / 1000 - datetime.fromisoformat(entry["dateString"]).timestamp()
        assert 0 <= behind < 1
    twins = [entry for entry in watched.settled["entries"] if entry.get("device") == "share2"]
    assert all(isinstance(twin["date"], int) for twin in twins)


def test_blocks_of_hours_are_uploaded_30_hours_late(watched: Watched) -> None:
    late = [
        document
        for sightings in watched.sightings["entries"].values()
        for now, document in sightings[:1]
        if now - instant_of(document) > 20 * HOUR
    ]
    assert len({instant_of(document).date() for document in late}) >= 5
    assert len(late) > 100
    reading = late[0]
    before, after = instant_of(reading) - MINUTE, instant_of(reading) + MINUTE
    arrival = instant_of(reading) + 30 * HOUR
    assert documents("entries", before, after, arrival - MINUTE) == []
    assert reading in documents("entries", before, after, arrival + MINUTE)


def test_a_reading_is_edited_once_6_to_24_hours_later(watched: Watched) -> None:
    edits = [(instant, states) for instant, states in watched.states("entries", "sgv") if len(states) > 1]
    assert len(edits) >= 8
    for instant, states in edits:
        assert len(states) == 2
        assert 6 * HOUR < states[1][0] - instant < 24 * HOUR + LOOK_EVERY


def test_carbs_are_corrected_and_times_are_moved(watched: Watched) -> None:
    for name in ("carbs", "created_at"):
        edits = [states for _, states in watched.states("treatments", name) if len(states) > 1]
        assert len(edits) >= 5
        assert all(len(states) == 2 for states in edits)
    moved = [states for _, states in watched.states("treatments", "created_at") if len(states) > 1]
    days = [[datetime.fromisoformat(text).astimezone(ZONE).date() for _, text in states] for states in moved]
    assert any(before == after for before, after in days)
    assert any(before == after + timedelta(days=1) for before, after in days)


def test_readings_and_treatments_are_deleted_without_a_trace(watched: Watched) -> None:
    assert len(watched.vanished("entries")) >= 8
    assert len(watched.vanished("treatments")) >= 5
    last_seen = [
        watched.sightings["entries"][document["_id"]][-1][0] - instant_of(document)
        for document in watched.vanished("entries")
    ]
    assert max(last_seen) > 12 * HOUR


def test_some_documents_are_only_marked_as_invalid(watched: Watched) -> None:
    for collection in ("entries", "treatments"):
        marked = [states for _, states in watched.states(collection, "isValid") if len(states) > 1]
        assert 2 <= len(marked) <= 6
        assert all([value for _, value in states] == [None, False] for states in marked)


ODD_ENTRIES: dict[str, Callable[[Document], bool]] = {
    "sensor not calibrated": lambda entry: entry.get("sgv") == 5 and entry["direction"] == "NOT COMPUTABLE",
    "power deviation": lambda entry: entry.get("sgv") == 10 and entry["trend"] == 8,
    "clipped low": lambda entry: entry.get("sgv") == 39,
    "clipped high": lambda entry: entry.get("sgv") == 401,
    "finger reading": lambda entry: entry["type"] == "mbg" and 20 < entry["mbg"] < 450 and "sgv" not in entry,
    "calibration": lambda entry: entry["type"] == "cal" and {"slope", "intercept", "scale"} <= entry.keys(),
    "no direction": lambda entry: entry["type"] == "sgv" and entry["direction"] is None,
}

ODD_TREATMENTS: dict[str, Callable[[Document], bool]] = {
    "Meal Bolus": lambda treatment: treatment["carbs"] > 0 and treatment["insulin"] > 0,
    "Correction Bolus": lambda treatment: treatment["carbs"] is None and treatment["insulin"] > 0,
    "Carb Correction": lambda treatment: treatment["insulin"] is None and treatment["carbs"] > 0,
    "Temp Basal": lambda treatment: treatment["rate"] == treatment["absolute"] and treatment["duration"] > 29,
    "Site Change": lambda treatment: treatment["insulin"] is treatment["carbs"] is None,
    "Sensor Start": lambda treatment: treatment["notes"].startswith("Dexcom G7 DXCM"),
    "Note": lambda treatment: bool(treatment["notes"]),
    "BG Check": lambda treatment: treatment["units"] == "mmol" and 2 < treatment["glucose"] < 25,
}


@pytest.mark.parametrize("kind", ODD_ENTRIES)
def test_odd_entries_occur(kind: str, watched: Watched) -> None:
    assert any(ODD_ENTRIES[kind](entry) for entry in watched.settled["entries"])


@pytest.mark.parametrize("event_type", ODD_TREATMENTS)
def test_every_kind_of_treatment_occurs(event_type: str, watched: Watched) -> None:
    found = [each for each in watched.settled["treatments"] if each["eventType"] == event_type]
    assert len(found) >= 9
    assert all(ODD_TREATMENTS[event_type](each) for each in found)


def test_three_meals_every_day(watched: Watched) -> None:
    meals: dict[date, set[str]] = {}
    for each in watched.settled["treatments"]:
        if each["eventType"] == "Meal Bolus":
            meals.setdefault(instant_of(each).astimezone(ZONE).date(), set()).add(each["notes"])
    assert len(meals) == DAYS
    assert all(each == {"breakfast", "lunch", "dinner"} for each in meals.values())


def test_temp_basals_overlap(watched: Watched) -> None:
    basals = [each for each in watched.settled["treatments"] if each["eventType"] == "Temp Basal"]
    cut = [
        before
        for before, after in pairwise(basals)
        if instant_of(after) < instant_of(before) + before["duration"] * MINUTE
    ]
    assert len(basals) / 4 < len(cut) < len(basals)


def test_the_same_bolus_is_posted_twice_with_two_ids(watched: Watched) -> None:
    seen: dict[str, list[Document]] = {}
    for each in watched.settled["treatments"]:
        seen.setdefault(str({**each, "_id": None}), []).append(each)
    repeated = [group for group in seen.values() if len(group) > 1]
    assert len(repeated) >= 4
    assert all(len({each["_id"] for each in group}) == 2 for group in repeated)


def test_sensors_change_every_ten_days_and_warm_up_for_two_hours(watched: Watched) -> None:
    starts = [each for each in watched.settled["treatments"] if each["eventType"] == "Sensor Start"]
    assert len(starts) == DAYS // 10
    for start in starts:
        began = instant_of(start)
        around = [each for each in watched.readings if abs(instant_of(each) - began) < 8 * HOUR]
        silent = [each for each in around if began <= instant_of(each) < began + 2 * HOUR]
        assert silent == []
        after = [each for each in around if instant_of(each) > began]
        assert all(each["device"] == start["notes"] for each in after)
        before = [each for each in around if instant_of(each) < began]
        assert all(each["device"] != start["notes"] for each in before)


def test_there_are_short_gaps_and_long_ones(watched: Watched) -> None:
    gaps = [instant_of(after) - instant_of(before) for before, after in pairwise(watched.readings)]
    assert sum(30 * MINUTE < gap < 3 * HOUR for gap in gaps) > 15
    assert sum(8 * HOUR < gap < 16 * HOUR for gap in gaps) >= 2


def test_compression_lows_are_steep_and_at_night(watched: Watched) -> None:
    night = [each for each in watched.readings if 0 <= instant_of(each).astimezone(ZONE).hour < 6]
    falls = [
        (before["sgv"] - after["sgv"])
        for before, after in pairwise(night)
        if after["sgv"] < 75 and instant_of(after) - instant_of(before) < 6 * MINUTE
    ]
    assert sum(fall > 12 for fall in falls) >= 8


TRENDS = {
    "DoubleUp": 1,
    "SingleUp": 2,
    "FortyFiveUp": 3,
    "Flat": 4,
    "FortyFiveDown": 5,
    "SingleDown": 6,
    "DoubleDown": 7,
    "NOT COMPUTABLE": 8,
}
LEAST_RATE = {
    "SingleDown": -3,
    "FortyFiveDown": -2,
    "Flat": -1,
    "FortyFiveUp": 1,
    "SingleUp": 2,
    "DoubleUp": 3,
}


def test_direction_and_trend_follow_the_change_of_15_minutes(watched: Watched) -> None:
    untouched = {
        identifier
        for identifier, sightings in watched.sightings["entries"].items()
        if len({each.get("sgv") for _, each in sightings}) == 1
    }
    readings = {int(each["date"]) // 300_000: each for each in watched.readings}
    checked = 0
    for slot, each in readings.items():
        assert each["trend"] == TRENDS[each["direction"]]
        earlier = readings.get(slot - 3)
        if not earlier or any(
            one["_id"] not in untouched or not 39 < one["sgv"] < 401 for one in (each, earlier)
        ):
            continue
        rate = round((each["sgv"] - earlier["sgv"]) / 15, 1)
        expected = max(
            (name for name, least in LEAST_RATE.items() if rate >= least),
            key=lambda name: LEAST_RATE[name],
            default="DoubleDown",
        )
        assert each["direction"] == expected
        checked += 1
    assert checked > 15_000


@given(first=st.dates(date(2020, 1, 1), date(2035, 1, 1)), every=st.integers(2, 45), name=st.text(max_size=9))
def test_what_is_rare_is_certain_within_90_days(first: date, every: int, name: str) -> None:
    span = [first + timedelta(days=number) for number in range(DAYS)]
    count = sum(falls_on(name, day, every) for day in span)
    assert DAYS // every - 1 <= count <= DAYS // every + 2
    assert count >= 1
