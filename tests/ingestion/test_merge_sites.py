"""Sites are independent of each other, bound to their origin, and never mixed with the demo site."""

from datetime import date
from pathlib import Path

import pytest

from include.errors import SettingsError
from include.ingestion.outcome_rows import FailedRead, move_row, outcome_table
from include.ingestion.site_rows import site_rows
from include.lakehouse import merge_rows
from include.nightscout.connections import Credentials
from include.nightscout.sites import Site
from include.nightscout.windows import Collection
from include.nightscout.zones import ZoneValidity, day_start
from include.schemas import RAW_TABLES
from tests.ingestion.model import (
    HOUR,
    START,
    Clock,
    FakeSite,
    Lake,
    entry,
    site_named,
    treatment,
    window_of,
    write_parquet,
)

HOME, OTHER = window_of(0, 24), window_of(0, 24, site_id="other")


@pytest.fixture
def home() -> FakeSite:
    site = FakeSite(Clock())
    site.put(*(entry(f"e{hour:02}", START + hour * HOUR) for hour in range(20)))
    return site


@pytest.fixture
def other(home: FakeSite) -> FakeSite:
    site = FakeSite(home.clock, "other")
    site.put(*(entry(f"e{hour:02}", START + hour * HOUR, 200) for hour in range(5)))
    return site


@pytest.fixture
def lake(tmp_path: Path, home: FakeSite, other: FakeSite, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr("include.ingestion.stage.load_parquet", write_parquet)
    return Lake(tmp_path, home, other)


def statuses(lake: Lake) -> dict[str, str]:
    return {row["read_id"]: row["status"] for row in lake.outcomes()}


def test_equal_ids_at_two_sites_are_two_documents(lake: Lake) -> None:
    lake.run(HOME, OTHER)
    assert lake.rows(site_id="home")["e01"]["sgv"] == 120
    assert lake.rows(site_id="other")["e01"]["sgv"] == 200
    assert len(lake.outcomes()) == 2


def test_a_site_that_is_left_out_keeps_its_last_data_while_others_go_on(
    lake: Lake, home: FakeSite, other: FakeSite
) -> None:
    lake.run(HOME, OTHER)
    bad = [entry(f"b{number}", START, "x") for number in range(13)]
    other.put(entry("e01", START + HOUR, 222), *bad)
    other.put(treatment("t1", START), collection=Collection.TREATMENTS)
    home.put(entry("e01", START + HOUR, 111))
    report = lake.run(HOME, window_of(0, 24, Collection.TREATMENTS, "other"), OTHER)
    assert sorted(report.counts) == ["home"]
    assert "MAX_QUARANTINE_PCT" in report.left_out["other"]
    assert lake.live(site_id="home")["e01"]["sgv"] == 111
    assert lake.live(site_id="other")["e01"]["sgv"] == 200
    assert lake.live("treatments") == {}  # none of its collections is merged
    assert lake.quarantine() == []
    assert sorted(statuses(lake).values()) == ["left_out", "left_out", "merged", "merged", "merged"]


def test_what_a_left_out_site_staged_is_merged_by_the_next_run(lake: Lake, other: FakeSite) -> None:
    """Though another site's read of the same window, in the same run, was merged."""
    other.put(*(entry(f"b{number}", START, "x") for number in range(13)))
    assert list(lake.run(HOME, OTHER).left_out) == ["other"]
    other.put(entry("brief", START))
    lake.begin()
    lake.read(OTHER)  # this run fails
    other.drop("brief", *(f"b{number}" for number in range(13)))
    report = lake.run(HOME, OTHER)
    assert report.counts["other"]["entries"]["reads"] == 3
    assert lake.rows(site_id="other").keys() == {"brief", *(f"e{hour:02}" for hour in range(5))}
    assert set(statuses(lake).values()) == {"merged"}


def test_a_site_that_could_not_be_read_is_left_out_and_recorded(lake: Lake, other: FakeSite) -> None:
    lake.begin()
    lake.read(HOME, OTHER)
    failed = FailedRead(
        window_of(24, 48, site_id="other"), "it answered HTML", lake.sources["other"].clock.now
    )
    report = lake.merge([FailedRead.from_dict(failed.as_dict())])
    assert "it answered HTML" in report.left_out["other"]
    assert lake.rows(site_id="other") == {}
    row = next(row for row in lake.outcomes() if row["status"] == "failed")
    assert (row["site_id"], row["message"], row["window_end"]) == (
        "other",
        "it answered HTML",
        START + 48 * HOUR,
    )
    assert ("other", Collection.ENTRIES) not in lake.coverage().whole()


def test_a_look_up_that_fails_leaves_the_site_out(lake: Lake, other: FakeSite) -> None:
    lake.run(HOME, OTHER)
    lake.begin()
    other.drop("e01")
    lake.read(HOME, OTHER)
    other.is_down = True
    report = lake.merge()
    assert list(report.left_out) == ["other"]
    assert "e01" in lake.live(site_id="other")


def test_reads_of_a_site_that_is_no_longer_configured_stay_in_the_stage(lake: Lake, other: FakeSite) -> None:
    lake.begin()
    lake.read(OTHER)
    sites = lake.sites
    lake.sites = sites[:1]
    lake.run(HOME)
    assert lake.rows().keys() == {f"e{hour:02}" for hour in range(20)}
    lake.sites = sites
    lake.run(HOME)
    assert len(lake.rows(site_id="other")) == 5


def test_a_site_id_is_bound_to_its_first_origin(lake: Lake, home: FakeSite) -> None:
    lake.run(HOME, OTHER)
    lake.sites[0] = site_named("home", url="https://elsewhere.example")
    home.put(entry("new", START))
    report = lake.run(HOME, OTHER)
    assert "https://home.example" in report.left_out["home"]
    assert "lakehouse site move home" in report.left_out["home"]
    assert "new" not in lake.live(site_id="home")
    assert sorted(report.counts) == ["other"]


def test_a_moved_site_goes_on_and_left_overs_of_its_old_origin_do_not(lake: Lake, home: FakeSite) -> None:
    lake.run(HOME)
    lake.begin()
    home.put(entry("old", START))
    lake.read(HOME)  # this run fails
    home.drop("old")
    lake.sites[0] = site_named("home", url="https://elsewhere.example")
    branch = lake.begin()
    row = move_row("home", "https://elsewhere.example", home.clock.tick(), "move", lake.runs)
    raw = RAW_TABLES["ingest_outcomes"]
    table = branch.table("ingest_outcomes")
    merge_rows(
        table, [outcome_table([row])], key=raw.key, instant=raw.instant, bookkeeping=(), commit_id="move"
    )
    lake.promote()
    home.put(entry("new", START))
    report = lake.run(HOME)
    assert report.left_out == {}
    assert "new" in lake.live()
    assert "old" not in lake.rows()
    assert [each["site_id"] for each in report.set_aside] == ["home"]
    assert lake.coverage().origins()["home"] == "https://elsewhere.example"


def test_a_wrong_url_of_a_first_run_that_failed_binds_nothing(lake: Lake, home: FakeSite) -> None:
    right = lake.sites[0]
    lake.sites[0] = site_named("home", url="https://wrong.example")
    lake.begin()
    home.put(entry("wrong", START))
    lake.read(HOME)
    home.drop("wrong")
    lake.sites[0] = right
    report = lake.run(HOME)
    assert report.left_out == {}
    assert "wrong" not in lake.rows()
    assert len(lake.live()) == 20


def test_the_demo_site_is_never_loaded_beside_real_data(lake: Lake) -> None:
    demo = Site("demo", "", (ZoneValidity("UTC"),), Credentials(), is_demo=True)
    real = lake.sites
    lake.sites = [demo]
    lake.sources["demo"] = lake.sources["home"]
    lake.run(window_of(0, 24, site_id="demo"))
    lake.run(window_of(0, 24, site_id="demo"))  # a lake of demo data only
    lake.sites = real
    lake.run(HOME)  # real data may follow
    lake.sites = [demo]
    lake.begin()
    with pytest.raises(SettingsError, match="data of home; the demo site is never loaded beside real data"):
        lake.merge()


def test_sites_are_described_with_the_instants_at_which_their_zones_take_over(lake: Lake) -> None:
    lake.run(HOME)
    moved = Site(
        "home",
        "https://home.example",
        (ZoneValidity("Europe/Berlin"), ZoneValidity("America/Los_Angeles", date(2024, 6, 1))),
        Credentials(token="secret"),
        target_set="pregnancy",
    )
    lake.sites[0] = moved
    lake.run(HOME)
    assert lake.branch is not None
    rows = lake.branch.table("sites").scan().to_arrow().to_pylist()
    at = day_start(moved.zones, date(2024, 6, 1))
    found = {(row["site_id"], row["zone"], row["valid_from"], row["valid_to_at"]) for row in rows}
    assert found == {
        ("home", "Europe/Berlin", date.min, at),
        ("home", "America/Los_Angeles", date(2024, 6, 1), None),
        ("other", "UTC", date.min, None),
    }
    assert {row["target_set"] for row in rows if row["site_id"] == "home"} == {"pregnancy"}
    assert "secret" not in str(rows)


def test_sites_that_are_gone_stay_and_zones_that_were_corrected_do_not(lake: Lake) -> None:
    wrong = (ZoneValidity("UTC"), ZoneValidity("America/Los_Angeles", date(2024, 6, 1)))
    right = lake.sites[0]
    lake.sites[0] = Site("home", "https://home.example", wrong, Credentials())
    lake.run(HOME)
    lake.sites = [right]
    lake.run(HOME)
    assert lake.branch is not None
    table = lake.branch.table("sites")
    assert sorted(table.scan().to_arrow()["site_id"].to_pylist()) == ["home", "other"]
    snapshot = table.current_snapshot()
    lake.run(HOME)
    assert lake.branch.table("sites").current_snapshot() == snapshot
    assert site_rows([]).num_rows == 0
