"""The demo server against the recorded answers of a real Nightscout server, call by call.

The real server's database is rebuilt here from what the recording posted, put behind the demo server in
place of the simulated person, and every recorded call that the demo supports is made again over HTTP.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from include.nightscout.demo.profiles import profiles
from include.nightscout.demo.server import serve
from include.nightscout.demo.versions import ObjectId

RECORDED_AT = datetime(2026, 11, 21, 1, 57, 44, tzinfo=UTC)
FIRST_READING = datetime(2024, 10, 14, tzinfo=UTC)
CALL_COUNT = 109

OUTSIDE = {
    24: "echo shows a query and reads nothing",
    25: "times and slice are ways to ask that no client of ours uses",
    47: "the recording's storage finds nothing for a pattern on an indexed field; a real database does",
    50: "the simulated person uploads no device status",
    **dict.fromkeys((27, 28, 30, 36, 37, 38, 48, 51), "a write: the demo site is readable only"),
    **dict.fromkeys((100, 102, 105, 107), "a write: the demo site is readable only"),
    **dict.fromkeys([*range(57, 86), 87, *range(89, 97), 98, 101, 103, 104, 106, 108], "API v3"),
}
IN_SCOPE = [number for number in range(CALL_COUNT) if number not in OUTSIDE]

HEADERS = {
    18: {"Accept": "application/json"},
    26: {"If-Modified-Since": "Sat, 21 Nov 2026 01:57:44 GMT"},
}


@pytest.fixture(scope="module")
def calls(test_data: Path) -> list[dict[str, Any]]:
    recording = json.loads((test_data / "ns_server_responses.json").read_text())
    return recording["calls"]


def reading(index: int) -> dict[str, Any]:
    """One of 1440 posted readings, every five minutes; the last of each day at 23:59:59.999."""
    instant = FIRST_READING + index * timedelta(minutes=5)
    if index % 288 == 287:
        instant = instant + timedelta(minutes=5) - timedelta(milliseconds=1)
    text = instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "_id": ObjectId(f"{0x6B00FA02A98E33DA1E8B64A2 + index:024x}"),
        "sysTime": text,
        "type": "sgv",
        "date": round(instant.timestamp() * 1000),
        "dateString": text,
        "device": "xDrip-DexcomG6",
        "direction": "Flat",
        "filtered": 123456,
        "noise": 1,
        "rssi": 100,
        "sgv": 100 + index % 80,
        "unfiltered": 123400,
        "utcOffset": -240,
    }


def stored(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A recorded document as the database holds it: without the nulls that answers add."""
    kept = {name: value for name, value in document.items() if value is not None}
    return {**kept, **changes, "_id": ObjectId(kept.get("_id", "6b00fa56a98e33da1e8b6a00"))}


def odd_entries(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The thirteen entries of call 27 as they were stored: texts of time rewritten, or never there."""
    posted = [stored(document) for document in calls[27]["request_json"]]
    mbg, cal = (stored(document) for document in calls[27]["body"])
    low, high, naive = posted[4], posted[5], posted[8]
    posted[2]["dateString"] = "2014-07-19T09:44:15.000Z"
    low["dateString"] = "2024-10-15T13:46:44.000Z"
    high["dateString"] = "2024-10-15T13:46:45.000Z"
    naive["dateString"] = "2024-10-15T13:46:48.000Z"
    posted[10].pop("dateString")
    rfc, without_type = (stored(document) for document in calls[34]["body"])
    offset = stored(calls[33]["body"][0])
    return [mbg, cal, *posted[2:9], without_type, posted[10], rfc, offset]


def entries_at(number: int, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries in the database when the call of that number was recorded."""
    found = [reading(index) for index in range(1440)]
    if number > 27:
        found += odd_entries(calls)
    if number > 28:
        found[288] = stored(calls[29]["body"][0])
    if number > 30:
        found.append(stored(calls[31]["body"][0]))
    if number > 83:
        found.append(stored(calls[86]["body"][0]))
    return found


def treatments_at(number: int, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The treatments in the database when the call of that number was recorded."""
    posted = calls[36]["request_json"]
    found = []
    if number > 36:
        found += [stored(document) for document in calls[36]["body"]]
        found += [
            stored({**posted[place], "created_at": f"2024-10-15T12:{minute}:00.000Z"})
            for place, minute in ((2, 35), (3, 40), (4, 45))
        ]
        found += [stored(document) for document in calls[39]["body"]]
    if number > 38:
        found += [stored(document) for document in (*calls[37]["body"], *calls[38]["body"])]
    if number > 93:
        found.append(stored(calls[97]["body"][0]))
    if number > 98:
        found.append(stored(calls[99]["body"][0]))
    return found


def archive_at(number: int, calls: list[dict[str, Any]]) -> Any:
    entries = sorted(entries_at(number, calls), key=lambda document: float(document["date"]), reverse=True)
    treatments = sorted(
        treatments_at(number, calls), key=lambda document: document["created_at"], reverse=True
    )
    held = {
        "entries": entries,
        "treatments": treatments,
        "devicestatus": [],
        "profile": profiles(RECORDED_AT),
    }

    def archive(collection: str, earliest: float, latest: float, now: float) -> Iterator[dict[str, Any]]:
        assert earliest <= latest
        return iter(held[collection])

    return archive


def ask(number: int, calls: list[dict[str, Any]]) -> tuple[int, dict[str, str], str]:
    """Makes the recorded call, its address unchanged. Gives status, headers and body."""
    with serve(lambda: RECORDED_AT, archive=archive_at(number, calls)) as url:
        connection = HTTPConnection(url.removeprefix("http://"), timeout=20)
        connection.request("GET", calls[number]["url"], headers=HEADERS.get(number, {"Accept": "*/*"}))
        with connection.getresponse() as response:
            answer = response.status, dict(response.getheaders()), response.read().decode()
        connection.close()
    return answer


def without_ids(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in each.items() if name != "_id"} for each in documents]


def test_every_recorded_call_is_either_made_or_named_as_outside(calls: list[dict[str, Any]]) -> None:
    assert len(calls) == CALL_COUNT
    assert {number for number in OUTSIDE if calls[number]["method"] != "GET"} == {
        number for number in range(CALL_COUNT) if calls[number]["method"] != "GET"
    }
    assert all(calls[number]["url"].startswith("/api/v1/") for number in IN_SCOPE)


@pytest.mark.parametrize("number", IN_SCOPE)
def test_the_answer_is_the_recorded_one(number: int, calls: list[dict[str, Any]]) -> None:
    recorded = calls[number]
    status, headers, body = ask(number, calls)

    assert status == recorded["status"]
    assert headers.get("Content-Type") == recorded["headers"].get("Content-Type")
    assert headers.get("Last-Modified") == recorded["headers"].get("Last-Modified")
    expected = recorded["body"]
    if "json" not in headers.get("Content-Type", ""):
        assert body == expected
    elif number in (52, 54):
        found, wanted = json.loads(body), expected
        if number == 52:
            found, (wanted,) = found[0], wanted
        assert found.keys() - {"enteredBy", "loopSettings"} == wanted.keys()  # as Loop writes them
        assert found["store"]["Default"].keys() == wanted["store"]["Default"].keys()
    elif recorded["status"] == 500:
        assert json.loads(body).keys() == expected.keys()
        assert json.loads(body)["message"] == expected["message"]
    elif isinstance(expected, list):
        assert len(json.loads(body)) == recorded["n"]
        assert without_ids(json.loads(body)[:2]) == without_ids(expected)
    else:
        assert json.loads(body) == expected
