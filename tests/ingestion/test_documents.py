"""What a document means as typed columns. "Trap n" is the n-th of section 6 of the notes on Nightscout."""

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.ingestion.documents import content_hash, documents_frame, read_document
from include.ingestion.values import identifier, integer, microseconds, number, word


def row(document: dict[str, Any], collection: str = "entries") -> dict[str, Any]:
    frame = documents_frame(collection, [json.dumps(document)])
    assert len(frame) == 1
    return frame.row(0, named=True)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


# A Loop with a Dexcom G7, an xDrip+, an AAPS, a Trio: as their servers answer.
LOOP_ENTRY = {
    "_id": "695735039b496fca853bb965",
    "type": "sgv",
    "sgv": 390,
    "trendRate": -1.2,
    "device": "Dexcom G7 DXCM0G",
    "trend": 5,
    "isCalibration": False,
    "date": 1767322876609.9592,
    "dateString": "2026-01-02T03:01:16.000Z",
    "direction": "FortyFiveDown",
    "utcOffset": 0,
    "sysTime": "2026-01-02T03:01:16.000Z",
}
XDRIP_ENTRY = {
    "_id": "69a62e2f9b496fca853bcd46",
    "device": "xDrip-WebFollower",
    "date": 1772498444000,
    "dateString": "2026-03-03T00:40:44.000Z",
    "sgv": 130,
    "delta": -0.997,
    "direction": "Flat",
    "type": "sgv",
    "filtered": 0,
    "unfiltered": 0,
    "rssi": 100,
    "noise": 1,
    "sysTime": "2026-03-03T00:40:44.000Z",
    "utcOffset": 540,
}
TEMP_BASAL = {
    "_id": "692c96949b496fca8508809b",
    "created_at": "2025-11-30T19:10:11.000Z",
    "timestamp": "2025-11-30T19:10:11Z",
    "eventType": "Temp Basal",
    "absolute": 0.3,
    "rate": 0.3,
    "duration": 5.022825501362482,
    "temp": "absolute",
    "enteredBy": "loop://iPhone",
    "utcOffset": 0,
    "carbs": None,
    "insulin": None,
}


def test_an_entry_of_loop() -> None:
    found = row(LOOP_ENTRY)
    payload, content = found.pop("payload"), found.pop("content_hash")
    assert json.loads(payload) == LOOP_ENTRY
    assert len(content) == 64
    assert found == {
        "row_number": 0,
        "problem": None,
        "is_object": True,
        "_id": "695735039b496fca853bb965",
        "type": "sgv",
        "sgv": 390.0,
        "mbg": None,
        "date": 1767322876609.9592,
        "date_string": "2026-01-02T03:01:16.000Z",
        "reading_at": utc(2026, 1, 2, 3, 1, 16, 609959),
        "direction": "FortyFiveDown",
        "trend": 5,
        "device": "Dexcom G7 DXCM0G",
        "noise": None,
        "rssi": None,
        "utc_offset": 0,
        "is_valid": True,
        "unreadable": None,
        "disagreement_hours": pytest.approx(0.6099592 / 3600, rel=1e-3),
    }


def test_an_entry_of_xdrip() -> None:
    found = row(XDRIP_ENTRY)
    assert found["reading_at"] == utc(2026, 3, 3, 0, 40, 44)
    assert (found["noise"], found["rssi"], found["trend"]) == (1, 100, None)


def test_a_temp_basal() -> None:
    found = row(TEMP_BASAL, "treatments")
    payload, content = found.pop("payload"), found.pop("content_hash")
    assert json.loads(payload) == TEMP_BASAL
    assert len(content) == 64
    assert found == {
        "row_number": 0,
        "problem": None,
        "is_object": True,
        "_id": "692c96949b496fca8508809b",
        "event_type": "Temp Basal",
        "created_at": "2025-11-30T19:10:11.000Z",
        "treated_at": utc(2025, 11, 30, 19, 10, 11),
        "insulin": None,
        "carbs": None,
        "glucose": None,
        "units": None,
        "duration_minutes": 5.022825501362482,
        "absolute": 0.3,
        "rate": 0.3,
        "percent": None,
        "basal_schedule": None,
        "entered_by": "loop://iPhone",
        "is_valid": True,
        "unreadable": None,
    }


@pytest.mark.parametrize(
    ("fields", "reading_at", "date"),
    [
        ({"date": 1778284500105.5488}, utc(2026, 5, 8, 23, 55, 0, 105548), 1778284500105.5488),
        ({"date": 1778284500105}, utc(2026, 5, 8, 23, 55, 0, 105000), 1778284500105.0),
        ({"date": "1778284500105"}, utc(2026, 5, 8, 23, 55, 0, 105000), None),
        ({"dateString": "2026-05-08T23:55:00.105Z"}, utc(2026, 5, 8, 23, 55, 0, 105000), None),
        ({"date": None, "dateString": "2014-07-19T02:44:15.000-07:00"}, utc(2014, 7, 19, 9, 44, 15), None),
        (
            {"date": "", "dateString": "2018-01-28T23:59:45.220+0100"},
            utc(2018, 1, 28, 22, 59, 45, 220000),
            None,
        ),
        ({"dateString": "2018-01-28 23:59:45"}, utc(2018, 1, 28, 23, 59, 45), None),
        ({"dateString": None, "sysTime": "2020-02-29T00:00:00Z"}, utc(2020, 2, 29), None),
        ({"dateString": "soon", "created_at": "2020-02-29T00:00:00Z"}, utc(2020, 2, 29), None),
        (
            {"date": 1778284500105, "dateString": "2019-01-01T00:00:00Z"},
            utc(2026, 5, 8, 23, 55, 0, 105000),
            1778284500105.0,
        ),
        ({"date": True, "dateString": "2020-02-29"}, utc(2020, 2, 29), None),
        ({"date": [1778284500105]}, None, None),
        ({"date": 1e300}, None, 1e300),
        ({"date": -5}, None, -5.0),
        ({"dateString": "0001-01-01T00:00:00+14:00"}, None, None),
        ({"dateString": "9999-12-31T23:59:59-14:00"}, None, None),
        ({"mills": 1778284500105}, None, None),
        ({}, None, None),
    ],
)
def test_trap_9_date_float_string_or_missing(
    fields: dict[str, Any], reading_at: datetime | None, date: float | None
) -> None:
    if (
        fields.get("dateString") == "0001-01-01T00:00:00+14:00"
    ):  # before year 1 in UTC: no instant can hold it
        reading_at = None
    found = row({"_id": "a", "type": "sgv", "sgv": 100, **fields})
    assert (found["reading_at"], found["date"]) == (reading_at, date)


def test_trap_9_an_instant_never_moves_into_the_next_slot() -> None:
    end_of_slot = 1767322799999.9998
    assert row({"date": end_of_slot})["reading_at"] == utc(2026, 1, 2, 2, 59, 59, 999999)


def test_trap_9_date_and_date_string_differ_by_years() -> None:
    found = row({"date": 1778284500000, "dateString": "2019-05-08T23:55:00Z"})
    assert found["disagreement_hours"] == pytest.approx(24 * (7 * 365 + 2))


@pytest.mark.parametrize(
    ("value", "sgv"),
    [
        (171, 171.0),
        ("171", 171.0),
        (" 171 ", 171.0),
        (180.5, 180.5),
        (5, 5.0),
        (39, 39.0),
        (401, 401.0),
        ("abc", None),
        ("", None),
        (None, None),
        (True, None),
        ([171], None),
        ("1_7_1", None),
        ("nan", None),
        ("1e999", None),
    ],
)
def test_trap_10_sgv(value: Any, sgv: float | None) -> None:
    assert row({"_id": "a", "type": "sgv", "sgv": value})["sgv"] == sgv


def test_trap_10_rows_of_other_types() -> None:
    meter = row({"_id": "a", "type": "mbg", "mbg": "104", "date": 1778284500105})
    assert (meter["type"], meter["sgv"], meter["mbg"]) == ("mbg", None, 104.0)
    calibration = row({"_id": "a", "type": "cal", "slope": 895.8, "intercept": 31204, "scale": 1})
    assert (calibration["type"], calibration["sgv"]) == ("cal", None)
    assert row({"_id": "a", "sgv": 100})["type"] is None


def test_trap_16_the_offset_is_kept_and_moves_nothing() -> None:
    plain, shifted = row(XDRIP_ENTRY), row(XDRIP_ENTRY | {"utcOffset": -480})
    assert (plain["utc_offset"], shifted["utc_offset"]) == (540, -480)
    assert plain["reading_at"] == shifted["reading_at"]


@pytest.mark.parametrize(
    "direction",
    [
        "NONE",
        "TripleUp",
        "DoubleUp",
        "SingleUp",
        "FortyFiveUp",
        "Flat",
        "FortyFiveDown",
        "SingleDown",
        "DoubleDown",
        "TripleDown",
        "NOT COMPUTABLE",
        "RATE OUT OF RANGE",
        None,
        "something new",
    ],
)
def test_trap_18_every_direction(direction: str | None) -> None:
    assert row(XDRIP_ENTRY | {"direction": direction})["direction"] == direction


def test_trap_21_the_set_of_fields_is_open() -> None:
    document = XDRIP_ENTRY | {"brandNew": {"deep": [1, {"er": None}]}, "mills": 1772498444000}
    found = row(document)
    assert json.loads(found["payload"]) == document
    assert set(found) == set(row(XDRIP_ENTRY))


def test_trap_21_a_cached_answer_is_the_same_document() -> None:
    assert content_hash(XDRIP_ENTRY) == content_hash(XDRIP_ENTRY | {"mills": 1772498444000})
    assert content_hash(XDRIP_ENTRY) != content_hash(XDRIP_ENTRY | {"delta": -0.998})
    assert content_hash(XDRIP_ENTRY) != content_hash(XDRIP_ENTRY | {"direction": None})
    assert content_hash({"a": None}) != content_hash({})


def test_the_hash_does_not_depend_on_order_or_form_of_numbers() -> None:
    one = {"a": 1, "b": {"c": [2.0, {"d": 3}], "e": True}, "f": -0.0}
    other = {"f": 0, "b": {"e": True, "c": [2, {"d": 3.0}]}, "a": 1.0}
    assert content_hash(one) == content_hash(other)
    assert content_hash({"a": 1}) != content_hash({"a": True})
    assert content_hash({"a": 1}) != content_hash({"a": "1"})
    assert content_hash({"a": 1.5}) != content_hash({"a": 1})
    assert content_hash({"a": 1e300}) == content_hash({"a": 1e300})


def test_trap_24_glucose_of_treatments_keeps_its_unit() -> None:
    check = {
        "_id": "a",
        "eventType": "BG Check",
        "created_at": "2026-01-02T03:04:05Z",
        "glucose": "5.6",
        "units": "mmol",
    }
    found = row(check, "treatments")
    assert (found["glucose"], found["units"]) == (5.6, "mmol")
    assert row(check | {"glucose": 101, "units": "mg/dl"}, "treatments")["glucose"] == 101.0
    assert row({k: v for k, v in check.items() if k != "units"}, "treatments")["units"] is None


@pytest.mark.parametrize(
    ("fields", "treated_at"),
    [
        (
            {"created_at": "2026-01-02T03:04:05.678Z", "timestamp": 1, "date": 2},
            utc(2026, 1, 2, 3, 4, 5, 678000),
        ),
        ({"created_at": "2026-01-02T03:04:05+09:00"}, utc(2026, 1, 1, 18, 4, 5)),
        ({"created_at": None, "timestamp": "2026-01-02T03:04:05Z"}, utc(2026, 1, 2, 3, 4, 5)),
        ({"created_at": "x", "timestamp": 1767323045000}, utc(2026, 1, 2, 3, 4, 5)),
        ({"date": 1767323045000}, utc(2026, 1, 2, 3, 4, 5)),
        ({"eventTime": "2026-01-02T03:04:05Z"}, utc(2026, 1, 2, 3, 4, 5)),
        ({}, None),
    ],
)
def test_instants_of_treatments(fields: dict[str, Any], treated_at: datetime | None) -> None:
    assert row({"_id": "a", "eventType": "Note", **fields}, "treatments")["treated_at"] == treated_at


@pytest.mark.parametrize(
    ("fields", "minutes"),
    [
        ({"duration": 30}, 30.0),
        ({"duration": "30"}, 30.0),
        ({"duration": 4.98, "durationInMilliseconds": 298800}, 4.98),
        ({"duration": 4, "durationInMilliseconds": 298800}, 4.98),
        ({"duration": 30, "durationInMilliseconds": 298800}, 30.0),
        ({"durationInMilliseconds": 298800}, 4.98),
        ({"duration": None, "durationInMilliseconds": 60000}, 1.0),
        ({"duration": 0}, 0.0),
        ({}, None),
    ],
)
def test_durations(fields: dict[str, Any], minutes: float | None) -> None:
    assert row({"_id": "a", **fields}, "treatments")["duration_minutes"] == minutes


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({}, True),
        ({"isValid": True}, True),
        ({"isValid": None}, True),
        ({"isValid": "false"}, True),
        ({"isValid": 0}, True),
        ({"isValid": False}, False),
    ],
)
def test_only_false_itself_retires(fields: dict[str, Any], is_valid: bool) -> None:
    assert row({"_id": "a", **fields})["is_valid"] is is_valid
    assert row({"_id": "a", **fields}, "treatments")["is_valid"] is is_valid


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("695735039b496fca853bb965", "695735039b496fca853bb965"),
        ("02B8E5BE-CACE-458C-9C65-1E8EA61D1354", "02B8E5BE-CACE-458C-9C65-1E8EA61D1354"),
        ("fixture_ent_000", "fixture_ent_000"),
        ("x" * 512, "x" * 512),
        ("x" * 513, None),
        ("", None),
        (None, None),
        (5, None),
        ({"$oid": "695735039b496fca853bb965"}, None),
        ("a\0b", None),
        ("\ud800", None),
    ],
)
def test_ids(value: Any, found: str | None) -> None:
    assert identifier(value) == found


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ("[1]", "not a JSON object but a list"),
        ("null", "not a JSON object but null"),
        ('"text"', "not a JSON object but a str"),
        ("NaN", "not a JSON object but a float"),
        ('{"_id":"a","sgv":NaN}', "contains what cannot be stored: NaN or infinity"),
        ('{"_id":"a","delta":1e999}', "contains what cannot be stored: NaN or infinity"),
        (
            '{"_id":"a","notes":"\\ud800"}',
            "contains what cannot be stored: half a character (a lone surrogate)",
        ),
        ('{"_id":"a","x":' + "[" * 400 + "]" * 400 + "}", "contains what cannot be stored: nested too deep"),
        ('{"_id":"a","x":' + "[" * 900 + "]" * 900 + "}", "contains what cannot be stored: nested too deep"),
        ("[" * 100_000, "nested too deep to be read"),
        ('{"_id":"a","x":123456789012345678901234567890}', None),
        ('{"_id":"a","x":"\\u0000"}', None),
    ],
)
def test_documents_that_cannot_be_used(text: str, problem: str | None) -> None:
    read = read_document(text)
    assert read.problem == problem
    assert len(read.content_hash) == 64
    assert documents_frame("entries", [text])["payload"].to_list() == [text]


def test_a_document_that_cannot_be_stored_keeps_its_id() -> None:
    assert documents_frame("entries", ['{"_id":"a","sgv":NaN}'])["_id"].to_list() == ["a"]


def test_text_never_holds_what_postgres_refuses() -> None:
    found = row(XDRIP_ENTRY | {"device": "xDrip\0+", "direction": 5, "type": {"a": 1}})
    assert (found["device"], found["direction"], found["type"]) == ("xDrip+", "5", '{"a":1}')
    assert "\\u0000" in found["payload"]


@pytest.mark.parametrize(
    ("value", "found"),
    [(4, 4), (4.0, 4), ("4", 4), (4.9, 4), (2**31, None), (-(2**31), -(2**31)), ("up", None), (None, None)],
)
def test_integers(value: Any, found: int | None) -> None:
    assert integer(value) == found


def test_fields_that_hold_no_number_are_named() -> None:
    bolus = {"_id": "a", "insulin": "two", "carbs": "", "glucose": [1], "duration": "5"}
    assert row(bolus, "treatments")["unreadable"] == "insulin, glucose"


def test_nothing_to_read() -> None:
    for collection in ("entries", "treatments"):
        frame = documents_frame(collection, [])
        assert len(frame) == 0
        assert frame.schema == documents_frame(collection, ["{}"]).schema
        assert frame.schema["payload"] == pl.String


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(JSON_VALUES)
def test_values_are_never_a_surprise(value: Any) -> None:
    found = number(value)
    assert found is None or abs(found) < float("inf")
    instant = microseconds(value)
    assert instant is None or -62135596800_000_000 <= instant < 253402300800_000_000
    text = word(value)
    assert text is None or ("\0" not in text and text.encode()) or text == ""
