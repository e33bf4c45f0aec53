"""Rows reach a table once, however often and in whatever shape they come."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table import Table

import include.lakehouse.rows as rows_module
from include.errors import ConflictError, ContractError, ServiceError
from include.lakehouse import Branch, Lakehouse, Merged
from tests.lakehouse.both import on_both
from tests.lakehouse.raw_rows import FIRST_SEEN, Row, entry, frame, merge, stored

MARCH = datetime(2025, 3, 10, 12, tzinfo=UTC)
LATER = datetime(2026, 2, 2, tzinfo=UTC)

# Five keys at two sites around three months, so that steps meet each other often.
steps = st.lists(
    st.lists(
        st.builds(
            lambda key, site, month, minute, sgv: entry(
                key,
                datetime(2025, month, 1, tzinfo=UTC) + timedelta(minutes=minute),
                site_id=site,
                sgv=sgv,
            ),
            key=st.sampled_from("abcde"),
            site=st.sampled_from(("home", "other")),
            month=st.integers(1, 3),
            minute=st.sampled_from((0, 5, 40_000)),
            sgv=st.sampled_from((None, float("nan"), 40.0, 100.0)),
        ),
        max_size=8,
    ),
    max_size=6,
)


@pytest.fixture(params=["together", "month by month"])
def grouping(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rows are written in groups of months; the same must come out."""
    if request.param != "together":
        monkeypatch.setattr(rows_module, "ROWS_AT_A_TIME", 2)


def compared(row: Row) -> Any:
    """What makes two versions of a document differ."""
    names = ("reading_at", "sgv", "content_hash", "deleted_at")
    return repr([row.get(name) for name in names])


@pytest.mark.usefixtures("grouping")
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, data=st.data())
@on_both
def test_any_sequence_of_merges_gives_what_a_dictionary_gives(
    steps: list[list[Row]], data: st.DataObject, lakehouse: Lakehouse
) -> None:
    branch = lakehouse.open_branch("property", None)  # anew for each example
    table = branch.table("glucose_entries")
    expected: dict[tuple[str, str], dict[str, Any]] = {}
    for number, batch in enumerate(steps):
        seen = FIRST_SEEN + timedelta(days=number)
        dressed = [
            {**row, "first_seen_at": seen, "ingested_at": seen, "run_id": str(number)} for row in batch
        ]
        last = {(row["site_id"], row["_id"]): row for row in dressed}
        known = {key: row for key, row in last.items() if key in expected}
        changed = {key for key, row in known.items() if compared(row) != compared(expected[key])}
        for key, row in last.items():
            if key not in expected:
                expected[key] = row
            elif key in changed:
                expected[key] = {**row, "first_seen_at": expected[key]["first_seen_at"]}
        before = table.metadata_location
        cut = data.draw(st.integers(0, len(dressed)))
        merged = merge(table, frame(dressed[:cut]), frame(dressed[cut:]))
        inserted = len(last) - len(known)
        assert merged == Merged(inserted, len(changed), len(known) - len(changed), len(dressed) - len(last))
        assert (table.metadata_location == before) is (inserted + len(changed) == 0)
    found = stored(branch.table("glucose_entries"))
    for key, row in expected.items():
        assert repr({name: found[key][name] for name in row}) == repr(
            row
        )  # text, for NaN is not equal to NaN
    assert found.keys() == expected.keys()


@on_both
def test_a_reading_whose_time_was_edited_moves(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    merge(table, frame([entry("moves", MARCH), entry("stays", MARCH)]))
    april = MARCH + timedelta(days=31)
    merged = merge(table, frame([entry("moves", april, first_seen_at=LATER)]))
    assert merged == Merged(updated=1)
    rows = stored(table)
    assert rows["home", "moves"]["reading_at"] == april
    assert rows["home", "moves"]["first_seen_at"] == FIRST_SEEN
    assert rows["home", "stays"]["reading_at"] == MARCH


@on_both
def test_the_only_reading_of_a_month_leaves_it_empty(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    merge(table, frame([entry("moves", MARCH)]))
    merge(table, frame([entry("moves", MARCH + timedelta(days=31))]))
    months = {task.file.partition[1] for task in table.scan().plan_files()}
    assert months == {(2025 - 1970) * 12 + 3}
    assert len(stored(table)) == 1


@on_both
def test_bookkeeping_alone_is_no_reason_to_write(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    merge(table, frame([entry("a", MARCH)]))
    before = branch.head()
    again = entry("a", MARCH, run="another", ingested_at=LATER, first_seen_at=LATER, payload='{"cache": 1}')
    again = {**again, "content_hash": "a-{}"}
    assert merge(table, frame([again])) == Merged(unchanged=1)
    assert branch.head() == before
    assert stored(table)["home", "a"]["run_id"] == "run"


@on_both
def test_a_tombstone_is_a_change(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    merge(table, frame([entry("a", MARCH)]))
    gone = {**entry("a", MARCH), "deleted_at": LATER, "run_id": "later"}
    assert merge(table, frame([gone])) == Merged(updated=1)
    assert stored(table)["home", "a"]["deleted_at"] == LATER
    assert stored(table)["home", "a"]["run_id"] == "later"


@on_both
def test_sites_with_the_same_ids_do_not_touch_each_other(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    merge(table, frame([entry("a", MARCH, site_id="home", sgv=1.0)]))
    files = {task.file.file_path for task in table.scan().plan_files()}
    assert merge(table, frame([entry("a", MARCH, site_id="other", sgv=2.0)])) == Merged(inserted=1)
    assert {key: row["sgv"] for key, row in stored(table).items()} == {
        ("home", "a"): 1.0,
        ("other", "a"): 2.0,
    }
    assert files < {task.file.file_path for task in table.scan().plan_files()}


@on_both
def test_each_month_stays_one_file(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    for day in range(5):
        merge(table, frame([entry(f"{day}", MARCH + timedelta(days=day))]))
    assert len(list(table.scan().plan_files())) == 1


@on_both
def test_a_table_without_time_is_replaced_as_a_whole(branch: Branch) -> None:
    table = branch.table("sites")

    def site(day: date, zone: str) -> Row:
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        facts = {"site_id": "home", "zone": zone, "valid_from": day, "valid_from_at": at}
        return facts | {"target_set": "standard", "is_demo": False, "origin": "https://home.example"}

    ever = date(1, 1, 1)
    first = frame([site(ever, "Europe/Rome")], "sites")
    assert merge(table, first, name="sites") == Merged(inserted=1)
    both = frame([site(ever, "Europe/Rome"), site(date(2025, 6, 1), "Asia/Tokyo")], "sites")
    assert merge(table, both, name="sites") == Merged(inserted=1, unchanged=1)
    assert merge(table, both, name="sites") == Merged(unchanged=2)
    zones = {row["valid_from"]: row["zone"] for row in table.scan().to_arrow().to_pylist()}
    assert zones == {ever: "Europe/Rome", date(2025, 6, 1): "Asia/Tokyo"}


@on_both
def test_a_quarantined_row_read_again_stays_in_its_month(branch: Branch) -> None:
    def quarantined(at: datetime, resolved_at: datetime | None = None) -> Row:
        names = {
            "site_id": "home",
            "collection": "entries",
            "payload_hash": "f00",
            "read_id": "r",
            "run_id": "r",
        }
        facts = {"document": "{}", "reasons": "no _id", "window_start": MARCH, "window_end": LATER}
        return names | facts | {"first_seen_at": at, "resolved_at": resolved_at}

    table = branch.table("quarantine")
    merge(table, frame([quarantined(MARCH)], "quarantine"), name="quarantine")
    again = merge(table, frame([quarantined(LATER)], "quarantine"), name="quarantine")
    assert again == Merged(unchanged=1)
    resolved = merge(table, frame([quarantined(LATER, resolved_at=LATER)], "quarantine"), name="quarantine")
    assert resolved == Merged(updated=1)
    (row,) = table.scan().to_arrow().to_pylist()
    assert (row["first_seen_at"], row["resolved_at"]) == (MARCH, LATER)


@on_both
def test_columns_may_come_in_any_order(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    batch = frame([entry("a", MARCH)])
    assert merge(table, batch.select(batch.column_names[::-1])) == Merged(inserted=1)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda batch: batch.drop_columns(["sgv"]), "sgv"),
        (lambda batch: batch.set_column(1, "_id", pa.nulls(len(batch), pa.string())), "_id"),
        (lambda batch: batch.set_column(3, "sgv", pa.array(["high"])), "high"),
    ],
    ids=["column missing", "key null", "wrong type"],
)
@on_both
def test_rows_that_do_not_fit_are_refused(
    branch: Branch, spoil: Callable[[pa.Table], pa.Table], named: str
) -> None:
    table = branch.table("glucose_entries")
    before = branch.head()
    with pytest.raises(ContractError, match=named):
        merge(table, spoil(frame([entry("a", MARCH)])))
    assert branch.head() == before


@on_both
def test_a_key_that_is_there_twice_is_an_error_not_a_guess(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    table.append(frame([entry("a", MARCH), entry("a", MARCH)]))
    with pytest.raises(ContractError, match="twice"):
        merge(table, frame([entry("a", MARCH)]))


@on_both
def test_another_partitioning_is_refused(branch: Branch) -> None:
    with pytest.raises(ValueError, match="reading_at"):
        rows_module.merge_rows(
            branch.table("glucose_entries"),
            [],
            key=("site_id", "_id"),
            instant="ingested_at",
            bookkeeping=(),
            commit_id="test",
        )


def commit_of(
    monkeypatch: pytest.MonkeyPatch, table: Table, act: Callable[[Callable[[], Any], int], Any]
) -> None:
    """Let `act(commit, number)` stand between the table and its catalog."""
    commit, numbers = table.catalog.commit_table, iter(range(100))
    monkeypatch.setattr(
        table.catalog, "commit_table", lambda *arguments: act(lambda: commit(*arguments), next(numbers))
    )
    monkeypatch.setattr("time.sleep", lambda _: None)


@on_both
def test_a_writer_that_was_faster_is_not_overwritten(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    table, other = branch.table("glucose_entries"), branch.table("glucose_entries")

    def act(commit: Callable[[], Any], number: int) -> Any:
        if number == 0:  # the same key, at another time: only reading again can see it
            monkeypatch.undo()
            merge(other, frame([entry("a", MARCH + timedelta(days=60), sgv=1.0), entry("b", MARCH)]))
        return commit()

    commit_of(monkeypatch, table, act)
    assert merge(table, frame([entry("a", MARCH, sgv=2.0)])) == Merged(updated=1)
    rows = stored(branch.table("glucose_entries"))
    assert {key: row["sgv"] for key, row in rows.items()} == {("home", "a"): 2.0, ("home", "b"): 100.0}


@on_both
def test_a_lost_answer_is_recognised(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    table = branch.table("glucose_entries")

    def act(commit: Callable[[], Any], number: int) -> Any:
        assert number == 0, "the rows were written twice"
        commit()
        raise CommitStateUnknownException("connection reset")

    commit_of(monkeypatch, table, act)
    assert merge(table, frame([entry("a", MARCH)]), commit_id="run-7") == Merged(inserted=1)
    assert len(stored(table)) == 1
    summaries = [snapshot.summary for snapshot in table.metadata.snapshots]
    assert [summary["lakehouse.commit-id"] for summary in summaries if summary] == ["run-7"]


@on_both
def test_a_commit_that_did_not_arrive_is_made_again(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    table = branch.table("glucose_entries")

    def act(commit: Callable[[], Any], number: int) -> Any:
        if number == 0:
            raise CommitStateUnknownException("connection reset")
        return commit()

    commit_of(monkeypatch, table, act)
    assert merge(table, frame([entry("a", MARCH)])) == Merged(inserted=1)
    assert len(stored(table)) == 1


@on_both
def test_losing_every_time_is_a_conflict(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    table = branch.table("glucose_entries")
    tried: list[int] = []

    def act(commit: Callable[[], Any], number: int) -> Any:
        tried.append(number)
        raise CommitFailedException("somebody was faster")

    commit_of(monkeypatch, table, act)
    with pytest.raises(ConflictError, match=r"raw\.glucose_entries"):
        merge(table, frame([entry("a", MARCH)]))
    assert len(tried) == 5


def test_a_full_disk_is_told_in_one_sentence(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    table = branch.table("glucose_entries")

    def act(commit: Callable[[], Any], number: int) -> Any:
        raise OSError(28, "No space left on device")

    commit_of(monkeypatch, table, act)
    with pytest.raises(ServiceError, match="is full"):
        merge(table, frame([entry("a", MARCH)]))
    monkeypatch.undo()
    assert merge(branch.table("glucose_entries"), frame([entry("a", MARCH)])) == Merged(inserted=1)
