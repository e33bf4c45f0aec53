"""What is read of device status, and that what it lacks holds up nothing else."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.ingestion.documents import documents_frame
from include.ingestion.outcome_rows import FailedRead
from include.ingestion.plan import RunRequest, plan_windows
from include.nightscout.bodies import document_of
from include.nightscout.connections import Credentials
from include.nightscout.kept_parts import kept_part
from include.nightscout.sites import Site
from include.nightscout.windows import DAY_COLLECTIONS, Collection
from include.nightscout.zones import ZoneValidity
from include.settings import Settings
from tests.ingestion.model import (
    HOUR,
    START,
    Clock,
    FakeSite,
    Lake,
    device_status,
    entry,
    treatment,
    window_of,
)

STATUS = Collection.DEVICE_STATUS
NAMES = ("iob_units", "cob_grams", "pump_battery_pct", "uploader_battery_pct", "reservoir_units")


@pytest.fixture
def home() -> FakeSite:
    site = FakeSite(Clock())
    site.put(entry("e", START + HOUR))
    site.put(treatment("t", START + HOUR), collection=Collection.TREATMENTS)
    site.put(*(device_status(f"s{hour}", START + hour * HOUR) for hour in range(3)), collection=STATUS)
    return site


def row(document: dict[str, Any]) -> dict[str, Any]:
    """As it is stored: what is kept of the document, and the columns of that."""
    kept = kept_part(STATUS, document_of(document)).text
    (found,) = documents_frame(STATUS, [kept]).to_dicts()
    return found


@pytest.mark.parametrize(
    ("person", "state", "amounts"),
    [
        ("patient_a", "enacted", (8.157815729708565, 0, None, 15, None)),
        ("patient_b", "enacted", (2.905, 10, 100, 70, None)),
        ("patient_d", "enacted", (0.8908328021422379, 9.915728304254255, None, 85, None)),
        ("patient_j", None, (None, None, None, 63, None)),
        ("trio_dynisf", "enacted", (3.377, 3, 100, 70, None)),
    ],
)
def test_real_device_status(
    test_data: Path, person: str, state: str | None, amounts: tuple[float | None, ...]
) -> None:
    listed = json.loads((test_data / "ns_real" / f"{person}_devicestatus.json").read_text())
    found = row(listed[0])
    assert (found["_id"], found["created_at"]) == (listed[0]["_id"], listed[0]["created_at"])
    assert (found["loop_state"], found["device"]) == (state, listed[0]["device"])
    assert tuple(found[name] for name in NAMES) == amounts
    for document in listed:
        kept = kept_part(STATUS, document_of(document)).text
        assert len(kept) < 500  # without predictions, names and serial numbers
        assert not any(word in kept for word in ("predBGs", "predicted", "pumpID", "reason", "name"))


def test_other_forms() -> None:
    rig = {"_id": "a", "created_at": "2024-10-01T00:00:00Z", "openaps": {"iob": [{"iob": "1.5"}, {"iob": 9}]}}
    assert (row(rig)["iob_units"], row(rig)["loop_state"]) == (1.5, "looping")
    refused = {**rig, "openaps": {"enacted": {"recieved": False, "COB": 7}}, "pump": {"reservoir": "80.5"}}
    assert (row(refused)["loop_state"], row(refused)["cob_grams"]) == ("looping", 7)
    assert row(refused)["reservoir_units"] == 80.5
    failed = {
        **rig,
        "loop": {"failureReason": "pumpDataTooOld", "enacted": {"rate": 1}},
        "uploaderBattery": 40,
    }
    assert (row(failed)["loop_state"], row(failed)["failure_reason"]) == ("failed", "pumpDataTooOld")
    assert row(failed)["uploader_battery_pct"] == 40
    odd = {**rig, "openaps": "x", "loop": [], "pump": {"reservoir": "full"}, "uploader": 3}
    assert (row(odd)["loop_state"], row(odd)["unreadable"]) == (None, "reservoir_units")


def test_it_is_merged_by_windows_like_treatments(lake: Lake, home: FakeSite) -> None:
    lake.run(window_of(0, 24, STATUS))
    home.drop("s1", collection=STATUS)
    home.put(device_status("s2", START + 2 * HOUR, iob=2), collection=STATUS)
    lake.run(window_of(0, 24, STATUS))
    assert lake.report is not None
    counts = lake.report.counts["home"]["devicestatus"]
    assert (counts["unchanged"], counts["updated"], counts["kept_missing"]) == (1, 1, 0)
    assert home.look_ups == ["s1"]
    assert set(lake.live("device_status")) == {"s0", "s2"}
    assert lake.problems() == []


def test_that_it_cannot_be_read_leaves_the_rest_of_the_site_whole(lake: Lake, home: FakeSite) -> None:
    lake.begin()
    lake.read(*(window_of(0, 24, of) for of in DAY_COLLECTIONS))
    report = lake.merge([FailedRead(window_of(0, 24, STATUS), "the token may not read it", START)])
    assert report.left_out == {"home devicestatus": "the token may not read it"}
    assert (set(lake.live()), set(lake.live("treatments"))) == ({"e"}, {"t"})
    assert lake.coverage().data_through("home") == START + 24 * HOUR
    assert lake.problems() == []


def test_its_days_are_healed_by_themselves() -> None:
    """Asked for later than the rest, it is loaded from its own first day; the others are not read again."""
    site = Site("home", "https://ns.example", (ZoneValidity("UTC"),), Credentials(), device_status=True)
    settings = Settings(_env_file=None, lookback_days=1, heal_days=9)
    whole = {("home", of): [(START - timedelta(days=20), START)] for of in DAY_COLLECTIONS}
    planned = plan_windows([site], RunRequest(is_scheduled=True), START + HOUR, whole, settings)
    starts = {of: min(window.start for window in planned if window.collection is of) for of in Collection}
    assert starts[Collection.ENTRIES] == starts[Collection.TREATMENTS] == START - timedelta(days=1)
    assert starts[STATUS] == START - timedelta(days=9)
