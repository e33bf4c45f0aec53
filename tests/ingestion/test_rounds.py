"""A long range is merged part by part and comes to the same; which parts, and what one part may not hide."""

from dataclasses import replace

import pytest

from include.ingestion import rounds
from include.ingestion.rounds import PartlyMergedError, rounds_of
from include.lakehouse.rows import ATTEMPT
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

DAYS = [window_of(first, first + 24) for first in range(0, 96, 24)]
RANGE = [*DAYS, window_of(0, 96, Collection.TREATMENTS)]


@pytest.fixture
def home() -> FakeSite:
    site = FakeSite(Clock())
    site.put(*(entry(f"e{hour:02}", START + hour * HOUR) for hour in range(96)))
    site.put(entry("ancient", START - 1000 * HOUR))
    site.put(treatment("t1", START + HOUR), collection=Collection.TREATMENTS)
    return site


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day a part."""
    monkeypatch.setattr(rounds, "MOST_DOCUMENTS", 30)


def parts(lake: Lake) -> list[int]:
    assert lake.branch is not None
    return [len(part) for part in rounds_of(lake.stage.reads(skip=set()), lake.branch.name)]


def written(lake: Lake) -> int:
    """How often the run wrote entries."""
    assert lake.branch is not None
    summaries = [snapshot.summary for snapshot in lake.branch.table("glucose_entries").metadata.snapshots]
    return len({summary.additional_properties[ATTEMPT] for summary in summaries if summary})


@pytest.mark.usefixtures("small_parts")
def test_each_part_is_written_before_the_next_is_decided(lake: Lake) -> None:
    lake.begin()
    lake.read(*RANGE)
    assert parts(lake) == [1, 1, 1, 2]
    report = lake.merge()
    assert written(lake) == 4
    assert report.counts["home"]["entries"]["inserted"] == len(lake.live()) == 96
    assert report.counts["home"]["entries"]["reads"] == 4
    assert report.mean_glucose_mg_dl == 120
    assert [row["live_before"] for row in lake.outcomes()][:4] == [0, 24, 48, 72]
    assert lake.problems() == []
    assert lake.merge() == report
    assert written(lake) == 4


@pytest.mark.usefixtures("small_parts")
def test_what_moved_to_another_part_is_neither_lost_nor_there_twice(lake: Lake, home: FakeSite) -> None:
    lake.run(*RANGE)
    home.put(entry("e05", START + 80 * HOUR, 99), entry("e85", START + 6 * HOUR, 98))
    home.drop("e30")
    lake.begin()
    lake.read(*RANGE)
    home.put(entry("e05", START + 80 * HOUR, 77))  # after all windows were read
    home.put(entry("e40", START + 90 * HOUR, 97))
    home.drop("e90")
    lake.merge()
    live = lake.live()
    assert {name: live[name]["sgv"] for name in ("e05", "e85", "e40")} == {"e05": 99, "e85": 98, "e40": 120}
    assert len(live) == 95
    assert "e30" not in live
    assert lake.problems() == []
    lake.promote()
    lake.run(*RANGE)
    assert (lake.live()["e40"]["sgv"], lake.live()["e05"]["sgv"]) == (97, 77)
    assert len(lake.live()) == 94
    assert lake.problems() == []


@pytest.mark.usefixtures("small_parts")
def test_what_moved_while_the_windows_were_read_is_looked_up_once(lake: Lake, home: FakeSite) -> None:
    lake.run(*RANGE)
    lake.begin()
    slow = home.read_window(DAYS[3])  # before e05 comes to its day; its answer arrives last
    home.put(entry("e05", START + 80 * HOUR, 99))
    lake.read(*RANGE[:3])
    slow = replace(slow, fetched_at=home.clock.tick())
    assert lake.branch is not None
    own = {"origin": "https://home.example", "run_id": "run 2", "branch": lake.branch.name}
    lake.stage.write(DAYS[3], slow, kind="window", **own)
    report = lake.merge()
    assert home.look_ups == ["e05"]
    assert report.counts["home"]["entries"]["updated"] == 1
    assert report.counts["home"]["entries"]["reads"] == 5
    assert lake.live()["e05"]["sgv"] == 99
    assert lake.problems() == []
    assert lake.merge() == report


@pytest.mark.usefixtures("small_parts")
def test_a_site_that_is_left_out_late_is_left_out_whole(lake: Lake, home: FakeSite) -> None:
    lake.run(*RANGE)
    before = lake.rows()
    home.put(entry("e05", START + 5 * HOUR, 99))
    home.drop(*(f"e{hour}" for hour in range(72, 96)))
    lake.begin()
    lake.read(*RANGE)
    with pytest.raises(PartlyMergedError, match="24 of 24 documents") as raised:
        lake.merge()
    assert lake.rows()["e05"]["sgv"] == 99
    lake.reopen()
    report = lake.merge(left_out=raised.value.left_out)
    assert report.counts == {}
    assert report.left_out == {"home": str(raised.value)}
    assert lake.rows() == before
    assert lake.problems() == []


@pytest.mark.usefixtures("small_parts")
def test_left_overs_and_windows_that_overlap_are_judged_together(lake: Lake) -> None:
    lake.begin()
    lake.read(*RANGE)
    lake.begin()
    lake.read(*RANGE)
    assert parts(lake) == [10]
    lake.merge()
    assert len(lake.live()) == 96
    lake.promote()
    lake.begin()
    lake.read(window_of(0, 30), window_of(24, 48), window_of(48, 96))
    assert lake.branch is not None
    own = [read for read in lake.stage.reads(skip=set()) if read.branch == lake.branch.name]
    assert [len(part) for part in rounds_of(own, lake.branch.name)] == [3]


def test_a_few_days_are_one_part(lake: Lake) -> None:
    lake.begin()
    lake.read(*RANGE)
    assert parts(lake) == [5]
    lake.merge()
    assert written(lake) == 1
