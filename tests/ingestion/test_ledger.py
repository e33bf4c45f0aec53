"""The ledger sees every way in which a merge could lie: outcomes, raw and quarantine are spoiled in turn."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
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
    write_parquet,
)

DAY = window_of(0, 24)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A run that does a bit of everything, merged on its branch: 20 live entries before, 20 after.

    Made once: whoever spoils it puts it back.
    """
    home = FakeSite(Clock())
    home.put(entry("ancient", START - 1000 * HOUR))
    home.put(*(entry(f"e{hour:02}", START + hour * HOUR) for hour in range(20)))
    lake = Lake(tmp_path_factory.mktemp("ledger"), home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("include.ingestion.stage.load_parquet", write_parquet)
        home.put(entry("back", START + HOUR))
        lake.run(DAY)
        home.drop("back")
        lake.run(DAY)
        lake.begin()
        home.put(entry("left", START + 2 * HOUR))
        lake.read(DAY)  # this run fails: a left-over
        home.put(entry("back", START + HOUR), entry("e01", START + HOUR, 99), entry("e03", START + 40 * HOUR))
        home.put(entry("e04", START + HOUR, isValid=False), entry("bad", START, "x"))
        home.put(treatment("t1", START), collection=Collection.TREATMENTS)
        home.drop("e02")
        lake.begin()
        lake.read(DAY, window_of(0, 24, Collection.TREATMENTS))
        lake.merge()
        yield lake


def problems_after(lake: Lake, table: str, change: Callable[[list[Row]], list[Row]]) -> list[str]:
    """What the ledger says when the rows of a raw table on the branch are other ones."""
    assert lake.branch is not None
    iceberg = lake.branch.table(table)
    honest = iceberg.scan().to_arrow()
    iceberg.overwrite(pa.Table.from_pylist(change(honest.to_pylist()), schema=iceberg.schema().as_arrow()))
    try:
        return lake.problems()
    finally:
        iceberg.append(honest) if iceberg.scan().count() == 0 else iceberg.overwrite(honest)


def edited(where: Callable[[Row], bool], **values: Any) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        assert any(where(row) for row in rows)
        return [row | values if where(row) else row for row in rows]

    return change


def without(where: Callable[[Row], bool]) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        assert any(where(row) for row in rows)
        return [row for row in rows if not where(row)]

    return change


def is_own_window(lake: Lake) -> Callable[[Row], bool]:
    return lambda row: (
        row["lease_number"] == lake.runs
        and row["collection"] == "entries"
        and row["kind"] == "window"
        and row["run_id"] == f"run {lake.runs}"
    )


def has_id(identifier: str) -> Callable[[Row], bool]:
    return lambda row: row["_id"] == identifier


def test_an_honest_merge_has_no_problems(lake: Lake) -> None:
    assert lake.problems() == []


def test_leases_that_count_from_one_again_change_nothing(tmp_path: Path) -> None:
    """The lake of a Postgres that is new, or was restored from an older backup."""
    home = FakeSite(Clock())
    home.put(entry("e01", START))
    lake = Lake(tmp_path, home)
    lake.run(DAY)
    lake.runs = 0
    home.put(entry("e02", START + HOUR))
    lake.begin()
    lake.read(DAY)
    lake.merge()
    assert lake.problems() == []
    assert set(lake.live()) == {"e01", "e02"}


def test_an_empty_lake_has_no_problems(tmp_path: Path) -> None:
    empty = Lake(tmp_path, FakeSite(Clock()))
    empty.begin()
    assert empty.problems() == []


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("document_count", "document_count is 99"),
        ("accepted_count", "accepted_count is 99"),
        ("quarantined_count", "quarantined_count is 99"),
        ("inserted_count", "accounted for"),
        ("updated_count", "accounted for"),
        ("unchanged_count", "accounted for"),
        ("revived_count", "accounted for"),
        ("retired_count", "accounted for"),
        ("superseded_count", "accounted for"),
        ("retired_live_count", "do not make"),
        ("tombstoned_count", "do not make"),
        ("live_after", "do not make"),
    ],
)
def test_a_count_that_is_wrong_is_seen(lake: Lake, column: str, message: str) -> None:
    found = problems_after(lake, "ingest_outcomes", edited(is_own_window(lake), **{column: 99}))
    assert any(message in problem and "home entries 2024-10-01" in problem for problem in found)


def test_live_counts_that_agree_with_each_other_but_not_with_raw_are_seen(lake: Lake) -> None:
    def shifted(rows: list[Row]) -> list[Row]:
        return [
            row | {"live_before": row["live_before"] + 1, "live_after": row["live_after"] + 1}
            if row["lease_number"] == lake.runs
            else row
            for row in rows
        ]

    found = problems_after(lake, "ingest_outcomes", shifted)
    assert any("which no outcome starts from" in problem for problem in found)


def test_counts_that_add_up_but_are_invented_are_seen(lake: Lake) -> None:
    """Two more inserted, two less unchanged."""
    before = next(row for row in lake.outcomes() if is_own_window(lake)(row))
    invented = {
        "inserted_count": before["inserted_count"] + 2,
        "unchanged_count": before["unchanged_count"] - 2,
        "live_after": before["live_after"] + 2,
    }
    found = problems_after(lake, "ingest_outcomes", edited(is_own_window(lake), **invented))
    assert any("but raw holds 20 live ones" in problem for problem in found)


@pytest.mark.parametrize("table", ["glucose_entries", "treatments"])
def test_a_document_that_is_not_in_raw_is_seen(lake: Lake, table: str) -> None:
    found = problems_after(lake, table, without(has_id("t1" if table == "treatments" else "e01")))
    assert any("accepted, but not in raw" in problem for problem in found)


def test_a_document_whose_last_version_is_not_in_raw_is_seen(lake: Lake) -> None:
    found = problems_after(lake, "glucose_entries", edited(has_id("e01"), content_hash="0" * 64))
    assert any("another version than the last accepted, such as e01" in problem for problem in found)


def test_a_newer_version_excuses_only_left_overs(lake: Lake) -> None:
    late = START + 9999 * HOUR
    found = problems_after(
        lake, "glucose_entries", edited(has_id("e01"), content_hash="0" * 64, ingested_at=late)
    )
    assert any("such as e01" in problem for problem in found)


def test_a_tombstone_too_many_is_seen(lake: Lake) -> None:
    found = problems_after(lake, "glucose_entries", edited(has_id("e07"), deleted_at=START))
    assert any("but raw holds 19 live ones" in problem for problem in found)


def test_a_tombstone_too_few_is_seen(lake: Lake) -> None:
    found = problems_after(lake, "glucose_entries", edited(has_id("e02"), deleted_at=None))
    assert any("but raw holds 21 live ones" in problem for problem in found)


def test_an_invalid_document_that_is_live_is_seen(lake: Lake) -> None:
    found = problems_after(lake, "glucose_entries", edited(has_id("e04"), deleted_at=None))
    assert any("marked invalid, but live in raw, such as e04" in problem for problem in found)


def test_a_document_that_is_there_twice_is_seen(lake: Lake) -> None:
    def doubled(rows: list[Row]) -> list[Row]:
        return [*rows, next(row for row in rows if row["_id"] == "e02")]

    found = problems_after(lake, "glucose_entries", doubled)
    assert any("23 rows of 22 documents" in problem for problem in found)


def test_a_document_that_is_not_in_quarantine_is_seen(lake: Lake) -> None:
    found = problems_after(lake, "quarantine", without(lambda row: row["document_id"] == "bad"))
    assert any("1 documents were quarantined, but are not in raw.quarantine" in each for each in found)


def test_an_outcome_that_is_gone_is_seen(lake: Lake) -> None:
    found = problems_after(lake, "ingest_outcomes", without(is_own_window(lake)))
    assert any("was read by this run, and has no outcome" in problem for problem in found)


def test_an_older_outcome_that_is_gone_is_seen(lake: Lake) -> None:
    found = problems_after(lake, "ingest_outcomes", without(lambda row: row["lease_number"] == 1))
    assert any("was merged before this run, and its outcome is gone" in problem for problem in found)


def test_an_outcome_without_a_staged_read_is_seen(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = lake.stage.reads()
    gone = next(read for read in reads if read.kind == "look_up")
    monkeypatch.setattr(lake.stage, "reads", lambda **_: [read for read in reads if read != gone])
    assert f"{gone.read_id} was merged, but is not in the stage" in lake.problems()
