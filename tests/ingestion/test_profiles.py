"""What is read of profile documents, and how they are merged: read whole, edited in place, few."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.errors import BranchError
from include.ingestion.documents import documents_frame
from include.ingestion.outcome_rows import FailedRead
from include.ingestion.plan import RunRequest, plan_windows
from include.nightscout.windows import DAY_COLLECTIONS, EPOCH, Collection
from include.run.status import _live as live_count
from include.schemas import RAW_TABLES
from include.settings import Settings
from tests.ingestion.model import HOUR, START, Clock, FakeSite, Lake, entry, profile, treatment, window_of

PROFILES = Collection.PROFILES
EVER = window_of(0, 24, PROFILES)
YEAR = timedelta(days=365)


@pytest.fixture
def home() -> FakeSite:
    site = FakeSite(Clock())
    put(site, profile("first", EPOCH), profile("p2", START - YEAR), profile("p3", START))
    return site


def put(site: FakeSite, *profiles: dict[str, Any]) -> None:
    site.put(*profiles, collection=PROFILES)


def row(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = documents_frame(PROFILES, [json.dumps(document)]).to_dicts()
    return found


def schedule(document: dict[str, Any]) -> list[tuple[int, float | None]]:
    segments = json.loads(row(document)["basal_schedule"])
    return [(segment["start_seconds"], segment["units_per_hour"]) for segment in segments]


def with_basal(basal: Any) -> dict[str, Any]:
    return {"_id": "a", "startDate": "2024-01-01", "defaultProfile": "A", "store": {"A": {"basal": basal}}}


@pytest.mark.parametrize(
    ("person", "name", "units", "zone", "starts_at", "basal"),
    [
        ("patient_a", "Default", "mmol/L", "ETC/GMT+7", "2026-04-01T16:06:21+00:00", (0.4, 10)),
        ("patient_b", "Default", "mg/dL", "ETC/GMT+4", "2026-04-01T14:33:50+00:00", (1.2, 5)),
        ("patient_d", "Default", "mg/dL", "ETC/GMT+8", "2026-04-01T01:17:41+00:00", (1, 4)),
        ("patient_j", "Default", "mg/dl", "Japan", "1970-01-01T00:00:00+00:00", (0, 3)),
        ("trio_dynisf", "Profile0", "mg/dl", "America/New_York", "2026-04-13T02:58:11.019+00:00", (0.35, 3)),
    ],
)
def test_real_profiles(
    test_data: Path, person: str, name: str, units: str, zone: str, starts_at: str, basal: tuple[float, int]
) -> None:
    document = json.loads((test_data / "ns_real" / f"{person}_profile.json").read_text())[0]
    found = row(document)
    assert (found["default_profile"], found["profile_name"]) == ("Default", name)
    assert (found["units"], found["zone"], found["unreadable"]) == (units, zone, None)
    assert found["valid_from_at"] == datetime.fromisoformat(starts_at)
    segments = schedule(document)
    assert (segments[0], len(segments)) == ((0, basal[0]), basal[1])
    sent = document["store"][name]["basal"]
    assert segments == sorted((one["timeAsSeconds"], one["value"]) for one in sent)


def test_every_form_of_a_schedule() -> None:
    as_text = [{"time": "00:00", "value": "0.5"}, {"time": "6:30", "value": ".75", "timeAsSeconds": "7"}]
    assert schedule(with_basal(as_text)) == [(0, 0.5), (23400, 0.75)]
    assert schedule(with_basal([{"timeAsSeconds": "0", "value": 1}])) == [(0, 1)]
    out_of_order = [
        {"time": "12:00", "value": 2},
        {"time": "00:00", "value": 1},
        {"time": "12:00", "value": 3},
    ]
    assert schedule(with_basal(out_of_order)) == [(0, 1), (43200, 3)]
    legacy = {"_id": "a", "startDate": "2014-01-01", "basal": "0.6", "timezone": "Japan", "units": "mmol"}
    assert schedule(legacy) == [(0, 0.6)]
    assert (row(legacy)["zone"], row(legacy)["units"]) == ("Japan", "mmol")


@pytest.mark.parametrize(
    ("basal", "known"),
    [
        (None, [(0, None)]),
        ([], [(0, None)]),
        ([1], [(0, None)]),
        ([{"time": "25:00", "value": 1}], [(0, None)]),
        ([{"time": "00:00", "value": 1}, {"value": 2}], [(0, None)]),
        ([{"time": "00:00", "value": "much"}], [(0, None)]),
        ([{"time": "00:00", "value": -1}, {"time": "01:00", "value": 1}], [(0, None), (3600, 1)]),
        ([{"time": "06:00", "value": 1}], [(0, None), (21600, 1)]),
    ],
)
def test_what_a_schedule_does_not_say_is_unknown_and_told(
    basal: Any, known: list[tuple[int, float | None]]
) -> None:
    """A rate must never be taken from the profile before."""
    assert schedule(with_basal(basal)) == known
    assert row(with_basal(basal))["unreadable"] == "basal"


@pytest.mark.parametrize("store", [{}, [], {"B": {}, "C": {}}, {"A": 1}])
def test_a_default_that_is_not_there(store: Any) -> None:
    found = row(with_basal([]) | {"store": store})
    assert json.loads(found["basal_schedule"]) == [{"start_seconds": 0, "units_per_hour": None}]
    assert found["unreadable"] == "basal"


def test_profiles_are_read_whole_and_merged_once(lake: Lake, home: FakeSite) -> None:
    """Also one of 1970, where Nightscout's editor starts."""
    lake.run(EVER)
    assert set(lake.live("profiles")) == {"first", "p2", "p3"}
    assert lake.rows("profiles")["first"]["valid_from_at"] == EPOCH
    assert lake.problems() == []
    lake.run(window_of(0, 25, PROFILES))
    assert lake.report is not None
    assert lake.report.counts["home"]["profile"]["unchanged"] == 3
    assert (lake.report.first_instant, lake.report.last_instant) == (None, None)


def test_an_edit_in_place_is_followed_whatever_its_date(lake: Lake, home: FakeSite) -> None:
    lake.run(EVER)
    put(home, profile("p2", START - YEAR, 1.5), profile("p3", START - 2 * YEAR, 2))
    lake.run(EVER)
    rows = lake.rows("profiles")
    assert {
        name: json.loads(found["basal_schedule"])[0]["units_per_hour"] for name, found in rows.items()
    } == {
        "first": 1,
        "p2": 1.5,
        "p3": 2,
    }
    assert rows["p3"]["valid_from_at"] == START - 2 * YEAR
    assert lake.problems() == []


def test_a_profile_that_is_gone_becomes_a_tombstone(lake: Lake, home: FakeSite) -> None:
    lake.run(EVER)
    home.drop("p2", collection=PROFILES)
    lake.run(EVER)
    assert set(lake.live("profiles")) == {"first", "p3"}
    assert (home.look_ups, home.asked_older) == (["p2"], 0)
    put(home, profile("p2", START - YEAR))
    lake.run(EVER)
    assert set(lake.live("profiles")) == {"first", "p2", "p3"}
    assert lake.problems() == []


def test_profiles_older_than_all_that_a_site_still_has_are_kept(lake: Lake, home: FakeSite) -> None:
    """They held once: of a site that started anew the old days keep their schedule."""
    lake.run(EVER)
    home.drop("first", "p2", "p3", collection=PROFILES)
    lake.run(EVER)
    put(home, profile("p4", START + HOUR))
    lake.run(EVER)
    assert set(lake.live("profiles")) == {"first", "p2", "p3", "p4"}
    assert home.look_ups == []


def test_a_profile_without_a_usable_date_is_quarantined(lake: Lake, home: FakeSite) -> None:
    put(home, {"_id": "undated", "store": {}}, profile("ancient", datetime(1969, 12, 31, tzinfo=UTC)))
    lake.run(EVER)
    reasons = {found["document_id"]: found["reasons"] for found in lake.quarantine()}
    assert reasons == {
        "undated": "no usable date: the document has none",
        "ancient": "dated 1969-12-31, before 1970",
    }
    assert lake.problems() == []


def test_profiles_that_cannot_be_read_leave_the_rest_of_the_site_whole(lake: Lake, home: FakeSite) -> None:
    home.put(entry("e", START))
    lake.begin()
    lake.read(window_of(0, 24))
    report = lake.merge([FailedRead(EVER, "the token may not read it", START)])
    assert set(lake.live()) == {"e"}
    assert report.left_out == {"home profile": "the token may not read it"}
    assert lake.problems() == []


def test_profiles_over_a_limit_leave_the_rest_of_the_site_whole(lake: Lake, home: FakeSite) -> None:
    home.put(entry("e", START))
    put(home, *({"_id": f"bad{number}"} for number in range(13)))
    lake.begin()
    lake.read(window_of(0, 24), EVER)
    report = lake.merge()
    assert (set(lake.live()), lake.rows("profiles")) == ({"e"}, {})
    assert "MAX_QUARANTINE_PCT" in report.left_out.pop("home profile")
    assert report.left_out == {}
    assert [found["status"] for found in lake.outcomes()] == ["merged", "left_out"]
    assert lake.problems() == []


def test_a_lake_from_before_this_table_goes_on(
    lake: Lake, home: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its days stay whole, its data reaches as far, and profiles join."""
    home.put(entry("e", START + HOUR))
    home.put(treatment("t", START + HOUR), collection=Collection.TREATMENTS)
    with monkeypatch.context() as before:
        before.delitem(RAW_TABLES, "profiles")
        lake.run(*(window_of(-48, 24, of) for of in DAY_COLLECTIONS))
    with pytest.raises(BranchError):
        lake.lakehouse.at("main").table("profiles")
    assert live_count(lake.lakehouse.at("main"), "profiles") == {}
    old = lake.coverage()
    settings = Settings(_env_file=None, lookback_days=0, heal_days=2)
    now = START + 30 * HOUR
    planned = plan_windows(lake.sites, RunRequest(is_scheduled=True), now, old.whole(), settings)
    day = START + 24 * HOUR
    assert [(of.collection, of.start) for of in planned] == [
        (Collection.ENTRIES, day),
        (Collection.TREATMENTS, day),
        (PROFILES, EPOCH),
    ]
    lake.run(EVER)
    assert lake.coverage().data_through("home") == old.data_through("home") == START + 24 * HOUR
    assert set(lake.live("profiles")) == {"first", "p2", "p3"}
    assert lake.problems() == []
