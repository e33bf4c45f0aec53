"""raw.quarantine: each document once, and whether its site has a better version by now."""

import pytest

from include.nightscout.windows import Collection
from tests.ingestion.model import (
    HOUR,
    START,
    Clock,
    FakeSite,
    Lake,
    entry,
    treatment,
    window_of,
)

DAY = window_of(0, 24)


@pytest.fixture
def home() -> FakeSite:
    site = FakeSite(Clock())
    site.put(*(entry(f"e{hour:02}", START + hour * HOUR) for hour in range(20)))
    site.put(entry("bad", START, "x"))
    return site


def open_ones(lake: Lake) -> list[str]:
    return sorted(row["document_id"] or "" for row in lake.quarantine() if row["resolved_at"] is None)


def test_a_document_that_cannot_be_accepted_is_kept_whole_with_its_reasons(lake: Lake) -> None:
    lake.begin()
    [read] = lake.read(DAY)
    lake.merge()
    [row] = lake.quarantine()
    assert (row["site_id"], row["collection"], row["document_id"]) == ("home", "entries", "bad")
    assert (row["reasons"], row["read_id"]) == ("sgv is not a number: 'x'", read.read_id)
    assert (row["window_start"], row["window_end"]) == (DAY.start, DAY.end)
    assert (row["run_id"], row["first_seen_at"], row["resolved_at"]) == ("run 1", read.fetched_at, None)
    assert '"sgv": "x"' in row["document"]
    assert row["document_at"] == START


def test_reading_it_again_counts_it_once_and_writes_nothing(lake: Lake) -> None:
    lake.run(DAY)
    before = lake.quarantine()
    lake.run(DAY)
    assert lake.branch is not None
    assert "quarantine" not in lake.branch.changed_tables()
    assert lake.quarantine() == before


def test_a_later_version_that_is_accepted_resolves_it(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    home.put(entry("bad", START, 130))
    lake.begin()
    [read] = lake.read(DAY)
    lake.merge()
    assert [row["resolved_at"] for row in lake.quarantine()] == [read.fetched_at]
    assert lake.live()["bad"]["sgv"] == 130


def test_it_is_open_again_when_it_returns(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    home.put(entry("bad", START, 130))
    lake.run(DAY)
    assert open_ones(lake) == []
    home.put(entry("bad", START, "x"))
    lake.run(DAY)
    assert open_ones(lake) == ["bad"]
    assert len(lake.quarantine()) == 1
    assert lake.live()["bad"]["sgv"] == 130  # a quarantined edit leaves the last accepted version live


def test_within_one_batch_the_reads_are_taken_in_order(lake: Lake, home: FakeSite) -> None:
    lake.begin()
    lake.read(DAY)  # this run fails
    home.put(entry("bad", START, 130), entry("worse", START, "y"))
    lake.begin()
    lake.read(DAY)  # this one too
    home.put(entry("bad", START, "z"))
    lake.run(DAY)
    found = {row["document"].partition('"sgv": ')[2]: row["resolved_at"] for row in lake.quarantine()}
    assert found.keys() == {'"x"}', '"y"}', '"z"}'}
    assert found['"x"}'] is not None
    assert open_ones(lake) == ["bad", "worse"]


def test_ids_of_another_collection_or_none_resolve_nothing(lake: Lake, home: FakeSite) -> None:
    home.put({"_id": 7, "type": "sgv", "date": entry("", START)["date"], "sgv": 100})
    lake.run(DAY)
    home.put(treatment("bad", START), collection=Collection.TREATMENTS)
    lake.run(DAY, window_of(0, 24, Collection.TREATMENTS))
    assert open_ones(lake) == ["", "bad"]


def test_more_than_one_page_of_them_is_resolved(lake: Lake, home: FakeSite) -> None:
    lake.limits = type(lake.limits)(100, 100)
    home.put(*(entry(f"b{number:03}", START, "x") for number in range(250)))
    lake.run(DAY)
    assert len(open_ones(lake)) == 251
    home.put(*(entry(f"b{number:03}", START, 100) for number in range(250)))
    lake.run(DAY)
    assert open_ones(lake) == ["bad"]
    assert len(lake.quarantine()) == 251
