"""What a merge makes of accepted documents; every test on a real Iceberg lake."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from include.errors import BranchError
from include.ingestion.merge import was_interrupted
from include.nightscout.client import Answer
from include.nightscout.windows import Collection
from tests.ingestion.interrupted import killed_before
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
NEXT_DAY = window_of(24, 48)
TREATMENTS = window_of(0, 24, Collection.TREATMENTS)


@pytest.fixture
def home() -> FakeSite:
    site = FakeSite(Clock())
    site.put(*(entry(f"e{hour:02}", START + hour * HOUR) for hour in range(20)))
    site.put(entry("ancient", START - 1000 * HOUR))
    return site


def counts(lake: Lake, collection: str = "entries", site_id: str = "home") -> dict[str, int]:
    """The counts of the last merge that are not 0."""
    assert lake.report is not None
    return {name: count for name, count in lake.report.counts[site_id][collection].items() if count}


def snapshots(lake: Lake) -> dict[str, int | None]:
    assert lake.branch is not None
    tables = ("glucose_entries", "treatments", "quarantine", "ingest_outcomes", "sites")
    found = {name: lake.branch.table(name).current_snapshot() for name in tables}
    return {name: snapshot and snapshot.snapshot_id for name, snapshot in found.items()}


def test_new_documents_are_inserted_with_where_and_when_they_came_from(lake: Lake) -> None:
    lake.begin()
    [read] = lake.read(DAY)
    lake.merge()
    assert counts(lake) == {"reads": 1, "received": 20, "accepted": 20, "inserted": 20}
    row = lake.rows()["e05"]
    assert (row["site_id"], row["sgv"], row["reading_at"]) == ("home", 120.0, START + 5 * HOUR)
    assert row["first_seen_at"] == row["ingested_at"] == read.fetched_at
    assert (row["run_id"], row["deleted_at"]) == ("run 1", None)
    assert json.loads(row["payload"]) == entry("e05", START + 5 * HOUR)


def test_what_is_unchanged_writes_nothing(lake: Lake) -> None:
    lake.run(DAY, TREATMENTS)
    before = snapshots(lake)
    lake.run(DAY, TREATMENTS)
    after = snapshots(lake)
    assert counts(lake) == {"reads": 1, "received": 20, "accepted": 20, "unchanged": 20}
    assert {name for name in after if after[name] != before[name]} == {"ingest_outcomes"}


def test_an_edit_is_an_update_that_keeps_when_the_document_was_first_seen(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    first = lake.rows()["e05"]
    home.put(entry("e05", START + 5 * HOUR, 99))
    lake.run(DAY)
    row = lake.rows()["e05"]
    assert counts(lake) == {"reads": 1, "received": 20, "accepted": 20, "updated": 1, "unchanged": 19}
    assert row["sgv"] == 99
    assert row["first_seen_at"] == first["first_seen_at"]
    assert row["ingested_at"] > first["ingested_at"]
    assert row["run_id"] == "run 2"


def test_a_time_edited_within_the_window_moves_the_reading(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    home.put(entry("e05", START + 7 * HOUR))
    lake.run(DAY)
    assert lake.rows()["e05"]["reading_at"] == START + 7 * HOUR
    assert len(lake.rows()) == 20


def test_a_reading_that_came_from_another_month_moves(lake: Lake, home: FakeSite) -> None:
    lake.run(window_of(-48, 24))
    home.put(entry("e05", START - 30 * HOUR))
    lake.run(window_of(-48, 24))
    assert lake.rows()["e05"]["reading_at"] == START - 30 * HOUR
    assert len(lake.rows()) == 20
    home.put(entry("e05", START + HOUR))
    lake.run(window_of(0, 24))  # its old place is not read
    assert lake.rows()["e05"]["reading_at"] == START + HOUR
    assert counts(lake)["updated"] == 1
    assert len(lake.rows()) == 20


def test_of_two_rows_of_one_document_in_an_answer_the_last_wins(lake: Lake, home: FakeSite) -> None:
    lake.begin()
    answer = home.read_window(DAY)
    twice = replace(answer, documents=(*answer.documents, json.dumps(entry("e05", START + 5 * HOUR, 77))))
    assert lake.branch is not None
    lake.stage.write(
        DAY, twice, kind="window", origin="https://home.example", run_id="run 1", branch=lake.branch.name
    )
    lake.merge()
    assert counts(lake) == {"reads": 1, "received": 21, "accepted": 21, "inserted": 20, "superseded": 1}
    assert lake.rows()["e05"]["sgv"] == 77


def test_invalid_retires_a_document_and_never_revives_it(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    home.put(entry("e05", START + 5 * HOUR, 99, isValid=False), entry("new", START, isValid=False))
    lake.run(DAY)
    assert counts(lake) == {
        "reads": 1, "received": 21, "accepted": 21, "unchanged": 19, "retired": 2, "retired_live": 1
    }  # fmt: skip
    retired = lake.rows()["e05"]
    assert retired["sgv"] == 99
    assert retired["deleted_at"] is not None
    assert lake.rows()["new"]["deleted_at"] is not None
    lake.run(DAY)
    assert counts(lake) == {"reads": 1, "received": 21, "accepted": 21, "unchanged": 21}
    home.put(entry("e05", START + 5 * HOUR, 98, isValid=False))
    lake.run(DAY)
    assert counts(lake)["retired"] == 1
    assert "retired_live" not in counts(lake)
    assert lake.rows()["e05"]["deleted_at"] == retired["deleted_at"]
    assert lake.rows()["e05"]["sgv"] == 98


def test_a_retired_document_that_is_valid_again_is_revived(lake: Lake, home: FakeSite) -> None:
    home.put(entry("e05", START + 5 * HOUR, isValid=False))
    lake.run(DAY)
    home.put(entry("e05", START + 5 * HOUR))
    lake.run(DAY)
    assert counts(lake)["revived"] == 1
    assert lake.rows()["e05"]["deleted_at"] is None


def test_a_tombstoned_document_that_returns_is_revived(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    home.drop("e05")
    lake.run(DAY)
    assert "e05" not in lake.live()
    home.put(entry("e05", START + 5 * HOUR))
    lake.run(DAY)
    assert counts(lake) == {"reads": 1, "received": 20, "accepted": 20, "unchanged": 19, "revived": 1}
    assert "e05" in lake.live()


def test_treatments_are_merged_into_their_own_table(lake: Lake, home: FakeSite) -> None:
    home.put(treatment("t1", START + HOUR, 2.5), collection=Collection.TREATMENTS)
    lake.run(DAY, TREATMENTS)
    assert lake.rows("treatments")["t1"]["insulin"] == 2.5
    home.drop("t1", collection=Collection.TREATMENTS)
    home.put(treatment("t0", START - 999 * HOUR), collection=Collection.TREATMENTS)
    lake.run(DAY, TREATMENTS)
    assert counts(lake, "treatments") == {"reads": 1, "tombstoned": 1}
    assert lake.live("treatments") == {}


def test_an_empty_window_is_known_empty(lake: Lake) -> None:
    lake.run(NEXT_DAY, window_of(24, 48, Collection.TREATMENTS))
    assert lake.coverage().whole()["home", Collection.ENTRIES] == [(START + 24 * HOUR, START + 48 * HOUR)]
    assert lake.coverage().data_through("home") == START + 48 * HOUR


def test_several_windows_of_a_run_are_merged_in_one_commit_a_table(lake: Lake, home: FakeSite) -> None:
    home.put(*(entry(f"l{hour}", START + hour * HOUR) for hour in range(24, 72)))
    lake.run(window_of(0, 24), window_of(24, 48), window_of(48, 72))
    assert lake.branch is not None
    assert len(lake.live()) == 68
    assert len(lake.branch.table("glucose_entries").history()) == 1


def test_what_a_failed_run_staged_is_merged_by_the_next_one_oldest_first(lake: Lake, home: FakeSite) -> None:
    lake.begin()
    lake.read(DAY)  # this run fails here
    home.put(entry("e05", START + 5 * HOUR, 99), entry("late", START + 6 * HOUR))
    lake.run(NEXT_DAY)
    assert lake.live()["e05"]["sgv"] == 120
    lake.begin()
    lake.read(DAY)  # fails too
    home.put(entry("e05", START + 5 * HOUR, 88))
    lake.run(DAY)
    assert lake.live()["e05"]["sgv"] == 88
    assert counts(lake) == {
        "reads": 2, "received": 42, "accepted": 42, "inserted": 1, "updated": 2, "unchanged": 39
    }  # fmt: skip


def leave_over(lake: Lake, answer: Answer) -> None:
    """An answer of a run that ended long ago turns up in the stage."""
    about = {"kind": "window", "origin": "https://home.example", "run_id": "run 0", "branch": "run-0"}
    lake.stage.write(DAY, answer, **about)  # type: ignore[arg-type]


def test_a_left_over_never_replaces_what_a_newer_read_stored(lake: Lake, home: FakeSite) -> None:
    old = home.read_window(DAY)
    home.put(entry("e05", START + 5 * HOUR, 99))
    lake.run(DAY)
    leave_over(lake, old)
    lake.run(NEXT_DAY)
    assert counts(lake) == {"reads": 2, "received": 20, "accepted": 20, "superseded": 20}
    assert lake.live()["e05"]["sgv"] == 99
    assert lake.problems() == []


def test_a_left_over_brings_nothing_to_life_that_the_site_has_deleted_since(
    lake: Lake, home: FakeSite
) -> None:
    old = home.read_window(DAY)
    home.drop("e05")
    home.put(entry("e06", START + 40 * HOUR))
    lake.run(DAY)
    leave_over(lake, old)
    lake.run(window_of(72, 96))
    assert "e05" not in lake.live()
    assert "e05" in lake.rows()  # received, so kept
    assert lake.live()["e06"]["date"] == entry("e06", START + 40 * HOUR)["date"]
    assert sorted(home.look_ups) == ["e05", "e06"]
    assert lake.problems() == []


def test_a_left_over_does_not_undo_that_an_edit_was_taken_back(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    home.put(entry("e05", START + 5 * HOUR, 99))
    edited = home.read_window(DAY)
    home.put(entry("e05", START + 5 * HOUR))
    lake.run(DAY)
    leave_over(lake, edited)
    lake.run(NEXT_DAY)
    assert lake.live()["e05"]["sgv"] == 120


def test_a_clock_that_was_set_back_does_not_hide_new_data(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    home.clock.now -= timedelta(days=10)
    home.put(entry("e05", START + 5 * HOUR, 99))
    lake.run(DAY)
    assert lake.live()["e05"]["sgv"] == 99


def test_a_second_try_on_the_same_branch_writes_nothing_and_says_the_same(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    home.drop("e01")
    home.put(entry("e05", START + 5 * HOUR, 99), entry("e06", START + 30 * HOUR), entry("bad", START, "x"))
    lake.begin()
    lake.read(DAY, TREATMENTS)
    first = lake.merge()
    assert lake.branch is not None
    head = lake.branch.head()
    assert lake.merge() == first
    assert lake.branch.head() == head


def test_a_merge_into_a_branch_opened_again_gives_the_same(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    home.drop("e01")
    home.put(entry("e06", START + 30 * HOUR))
    lake.begin()
    lake.read(DAY)
    first = lake.merge()
    rows, asked = lake.rows(), list(home.look_ups)
    lake.reopen()
    assert lake.merge().counts == first.counts
    assert lake.rows() == rows
    assert home.look_ups == [*asked, "e01"]  # what was found is in the stage, what is gone is asked again


@pytest.mark.parametrize("table", ["glucose_entries", "treatments", "quarantine", "ingest_outcomes"])
def test_a_merge_that_was_killed_between_two_tables_is_done_anew(
    lake: Lake, home: FakeSite, table: str
) -> None:
    lake.run(DAY)
    home.put(entry("e05", START + 5 * HOUR, 99), entry("bad", START, "x"))
    home.put(treatment("t1", START + HOUR), collection=Collection.TREATMENTS)
    home.drop("e06")
    branch = lake.begin()
    lake.read(DAY, TREATMENTS)
    with killed_before(table):
        lake.merge()
    assert was_interrupted(branch) == (table != "glucose_entries")
    if was_interrupted(branch):
        with pytest.raises(BranchError, match="was interrupted: clear the whole run"):
            lake.merge()
    lake.reopen()
    lake.merge()
    assert counts(lake) == {
        "reads": 1, "received": 20, "accepted": 19, "quarantined": 1,
        "updated": 1, "unchanged": 18, "tombstoned": 1,
    }  # fmt: skip
    assert not was_interrupted(branch)
    assert counts(lake, "treatments")["inserted"] == 1
    assert len(lake.quarantine()) == 1


def test_a_run_without_anything_to_merge_reports_nothing(lake: Lake) -> None:
    lake.begin()
    report = lake.merge()
    assert (report.counts, report.left_out, report.set_aside) == ({}, {}, [])
    assert snapshots(lake)["ingest_outcomes"] is None


def test_the_report_can_travel_as_json_and_tells_instants_and_mean(lake: Lake, home: FakeSite) -> None:
    home.put(
        entry("code", START + 21 * HOUR, 5), entry("meter", START + 22 * HOUR, None, type="mbg", mbg=300)
    )
    home.put(entry("high", START + 23 * HOUR, 141))
    told = json.loads(json.dumps(lake.run(DAY).as_dict()))
    assert told["counts"]["home"]["entries"]["inserted"] == 23
    assert datetime.fromisoformat(told["first_instant"]) == START
    assert datetime.fromisoformat(told["last_instant"]) == START + 23 * HOUR
    assert told["mean_glucose_mg_dl"] == 121.0  # 20 times 120, and 141: neither the error code nor the meter


def test_outcomes_tell_what_became_of_a_read(lake: Lake, home: FakeSite) -> None:
    lake.run(DAY)
    home.drop("e01")
    home.put(entry("e05", START + 5 * HOUR, 5), entry("bad", START, "x"))
    lake.begin()
    [read] = lake.read(DAY)
    lake.merge()
    row = lake.outcomes()[-1]
    assert (row["read_id"], row["kind"], row["status"], row["message"]) == (
        read.read_id,
        "window",
        "merged",
        None,
    )
    assert (row["run_id"], row["lease_number"], row["checksum"]) == ("run 2", 2, read.checksum)
    assert (row["live_before"], row["live_after"], row["tombstoned_count"]) == (20, 19, 1)
    assert json.loads(row["warnings"]) == {"sgv_below_20": 1}
    assert json.loads(row["reasons"]) == {"sgv_not_a_number": 1}
    assert (row["first_instant"], row["last_instant"]) == (START, START + 19 * HOUR)
