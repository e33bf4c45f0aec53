"""Profile switches as AAPS writes them, and what else comes under their name."""

import json
from typing import Any

import pytest

from include.ingestion.documents import documents_frame
from include.ingestion.profile_switches import switched_schedule

BASAL = [
    {"time": "00:00", "timeAsSeconds": 0, "value": 0.8},
    {"time": "06:00", "timeAsSeconds": 21600, "value": 1.2},
    {"time": "22:30", "timeAsSeconds": 81000, "value": 1},
]
SWITCH: dict[str, Any] = {
    "_id": "a",
    "eventType": "Profile Switch",
    "created_at": "2025-03-24T12:00:00.000Z",
    "enteredBy": "openaps://AndroidAPS",
    "profile": "Day",
    "profileJson": json.dumps({"units": "mmol", "timezone": "Europe/Berlin", "basal": BASAL}),
    "duration": 0,
}
HOUR = 3_600_000


def rates(document: dict[str, Any]) -> list[tuple[int, float | None]] | None:
    schedule = switched_schedule(document)
    if schedule is None:
        return None
    return [(segment["start_seconds"], segment["units_per_hour"]) for segment in json.loads(schedule)]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, [(0, 0.8), (21600, 1.2), (81000, 1)]),
        ({"percentage": 150}, [(0, 1.2), (21600, 1.8), (81000, 1.5)]),
        ({"percentage": "50"}, [(0, 0.4), (21600, 0.6), (81000, 0.5)]),
        # 09:00 of the profile applies at 11:00
        ({"timeshift": 2 * HOUR}, [(0, 1.2), (1800, 1), (7200, 0.8), (28800, 1.2)]),
        ({"timeshift": -6 * HOUR}, [(0, 1.2), (59400, 1), (64800, 0.8)]),
        ({"timeshift": HOUR + HOUR // 2}, [(0, 1), (3600, 0.8), (25200, 1.2), (84600, 1)]),
        ({"timeshift": 24 * HOUR, "percentage": 100}, [(0, 0.8), (21600, 1.2), (81000, 1)]),
        ({"CircadianPercentageProfile": True, "percentage": 200}, [(0, 1.6), (21600, 2.4), (81000, 2)]),
        ({"profileJson": {"basal": 0.9}}, [(0, 0.9)]),
        ({"eventType": "profile switch"}, [(0, 0.8), (21600, 1.2), (81000, 1)]),
    ],
)
def test_the_schedule_in_force(changes: dict[str, Any], wanted: list[tuple[int, float]]) -> None:
    found = rates(SWITCH | changes)
    assert found is not None
    assert [start for start, _ in found] == [start for start, _ in wanted]
    assert [rate for _, rate in found] == pytest.approx([rate for _, rate in wanted])


@pytest.mark.parametrize(
    "changes",
    [
        {"profileJson": None},
        {"profileJson": "no JSON"},
        {"profileJson": "[]"},
        {"profileJson": "{}"},
        {"percentage": 0},
        {"percentage": "some"},
        {"CircadianPercentageProfile": True, "timeshift": 2},
    ],
)
def test_a_schedule_that_is_not_known(changes: dict[str, Any]) -> None:
    assert rates(SWITCH | changes) == [(0, None)]


@pytest.mark.parametrize("event_type", ["Temp Basal", None, 5])
def test_other_treatments_have_none(event_type: Any) -> None:
    assert rates(SWITCH | {"eventType": event_type}) is None


def test_it_reaches_the_raw_table() -> None:
    (found,) = documents_frame("treatments", [json.dumps(SWITCH)])["basal_schedule"].to_list()
    assert found == switched_schedule(SWITCH)
