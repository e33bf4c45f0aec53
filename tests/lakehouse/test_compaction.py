"""Several small files of a partition become one, and nobody can tell by the rows."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table import Table

import include.lakehouse.compaction as compaction_module
from include.errors import ConflictError, LakehouseError, ServiceError
from include.lakehouse import Branch, Lakehouse
from include.lakehouse.compaction import changed_partitions, compact, small_files
from tests.lakehouse.both import on_both
from tests.lakehouse.raw_rows import Row, entry, frame, merge

MARCH = datetime(2025, 3, 10, 12, tzinfo=UTC)
APRIL = MARCH + timedelta(days=31)

# Few keys at two sites around three months: partitions of none, one and several files, equal rows too.
row = st.builds(
    lambda key, site, month, sgv: entry(key, datetime(2025, month, 1, tzinfo=UTC), site_id=site, sgv=sgv),
    key=st.sampled_from("abc"),
    site=st.sampled_from(("home", "other")),
    month=st.integers(1, 3),
    sgv=st.sampled_from((None, float("nan"), 0.0, 100.0)),
)
appends = st.lists(st.lists(row, min_size=1, max_size=5), max_size=6)


def files(table: Table) -> Counter[str]:
    """Number of data files by partition."""
    return Counter(str(task.file.partition) for task in table.scan().plan_files())


def paths(table: Table) -> set[str]:
    return {task.file.file_path for task in table.scan().plan_files()}


def texts(batches: list[list[Row]]) -> list[tuple[Any, ...]]:
    return sorted((row["site_id"], row["_id"], repr(row["sgv"])) for batch in batches for row in batch)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=appends)
@on_both
def test_one_file_a_partition_and_the_same_rows(batches: list[list[Row]], lakehouse: Lakehouse) -> None:
    branch = lakehouse.open_branch("property", None)  # anew for each example
    table = branch.table("glucose_entries")
    for batch in batches:
        table.append(frame(batch))
    before = branch.table("glucose_entries")  # stays as it is
    crowded = {partition: count for partition, count in files(table).items() if count > 1}

    assert compact(table, commit_id="test") == sum(crowded.values())

    after = branch.table("glucose_entries")
    found = after.scan().to_arrow().to_pylist()
    assert sorted((row["site_id"], row["_id"], repr(row["sgv"])) for row in found) == texts(batches)
    assert changed_partitions(before, after) == []
    assert set(files(after).values()) <= {1}
    assert after.schema() == before.schema()
    assert small_files(after) == []


@on_both
def test_nothing_to_do_commits_nothing(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    merge(table, frame([entry("a", MARCH), entry("b", APRIL)]))
    merge(table, frame([entry("c", MARCH)]))
    before = branch.head()
    assert compact(table, commit_id="test") == 0
    assert compact(branch.table("treatments"), commit_id="test") == 0  # it was never written
    table.append(frame([entry("d", MARCH)]))
    assert compact(table, commit_id="test") == 2
    assert branch.head() != before
    again = branch.head()
    assert compact(branch.table("glucose_entries"), commit_id="test") == 0
    assert branch.head() == again


@on_both
def test_other_partitions_and_large_files_are_not_written_again(
    branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = branch.table("glucose_entries")
    table.append(frame([entry("quiet", APRIL)]))
    table.append(frame([entry(f"{number}", MARCH, payload=f"{number}" * 500) for number in range(500)]))
    untouched = paths(table)
    table.append(frame([entry("small", MARCH)]))
    table.append(frame([entry("smaller", MARCH)]))
    sizes = sorted(task.file.file_size_in_bytes for task in table.scan().plan_files())
    monkeypatch.setattr(compaction_module, "SMALL_FILE_BYTES", sizes[-1])
    assert compact(table, commit_id="test") == 2
    assert untouched < paths(table)
    assert len(paths(table) - untouched) == 1


@on_both
def test_merging_goes_on_after_a_compaction(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    for key in "abc":
        table.append(frame([entry(key, MARCH, sgv=1.0)]))
    compact(table, commit_id="test")
    table = branch.table("glucose_entries")
    merged = merge(table, frame([entry("a", MARCH, sgv=2.0), entry("b", MARCH, sgv=1.0), entry("d", MARCH)]))
    assert (merged.inserted, merged.updated, merged.unchanged) == (1, 1, 1)
    assert list(files(table).values()) == [1]
    found = {row["_id"]: row["sgv"] for row in table.scan().to_arrow().to_pylist()}
    assert found == {"a": 2.0, "b": 1.0, "c": 1.0, "d": 100.0}


@on_both
def test_main_still_has_its_files(lakehouse: Lakehouse) -> None:
    first = lakehouse.open_branch("first", None)
    table = first.table("glucose_entries")
    for key in "abc":
        table.append(frame([entry(key, MARCH)]))
    first.refresh_views()
    lakehouse.promote("first", first.head())
    second = lakehouse.open_branch("second", "first")
    assert compact(second.table("glucose_entries"), commit_id="test") == 3
    assert lakehouse.at("main").table("glucose_entries").scan().to_arrow().num_rows == 3
    assert second.changed_tables() == {"glucose_entries"}
    second.expire()
    second.refresh_views()
    lakehouse.promote("second", second.head())
    for version in ("first", "second"):
        shown = lakehouse.at(version).query("select _id from raw.glucose_entries order by _id")
        assert shown["_id"].to_pylist() == ["a", "b", "c"]


def lost(table: Table) -> None:
    table.delete("_id = 'b'")


def doubled(table: Table) -> None:
    table.append(frame([entry("b", MARCH)]))


def changed(table: Table) -> None:
    merge(table, frame([entry("b", MARCH, payload='{"other": 1}', content_hash="other")]))


def moved(table: Table) -> None:
    merge(table, frame([entry("b", APRIL)]))


def emptied(table: Table) -> None:
    table.delete("reading_at >= '2025-04-01T00:00:00+00:00'")


def written_in_another_order(table: Table) -> None:
    rows = table.scan().to_arrow()
    table.delete("_id is not null")
    table.append(rows.take(list(reversed(range(len(rows))))))


@pytest.mark.parametrize(
    ("harm", "months"),
    [
        (lost, {2}),
        (doubled, {2}),
        (changed, {2}),
        (moved, {2, 3}),
        (emptied, {3}),
        (written_in_another_order, set()),
    ],
)
@on_both
def test_a_row_that_differs_is_found(
    branch: Branch, lakehouse: Lakehouse, harm: Any, months: set[int]
) -> None:
    table = branch.table("glucose_entries")
    for key, at in (("a", MARCH), ("b", MARCH), ("c", APRIL), ("d", APRIL)):
        table.append(frame([entry(key, at)]))
    branch.refresh_views()
    lakehouse.promote(branch.name, branch.head())
    work = lakehouse.open_branch("work", branch.name)
    compact(work.table("glucose_entries"), commit_id="test")
    before = lakehouse.at("main").table("glucose_entries")
    assert changed_partitions(before, work.table("glucose_entries")) == []
    harm(work.table("glucose_entries"))
    january = (2025 - 1970) * 12
    expected = sorted(f"Record[home, {january + month}]" for month in months)
    assert changed_partitions(before, work.table("glucose_entries")) == expected


@pytest.mark.parametrize(
    ("said", "told"), [(CommitFailedException, ConflictError), (CommitStateUnknownException, ServiceError)]
)
def test_a_commit_that_fails_says_what_to_do(
    branch: Branch, monkeypatch: pytest.MonkeyPatch, said: type[Exception], told: type[LakehouseError]
) -> None:
    table = branch.table("glucose_entries")
    for key in "ab":
        table.append(frame([entry(key, MARCH)]))

    def refuse(*_: Any) -> None:
        raise said("no")

    with monkeypatch.context() as patch:
        patch.setattr(table.catalog, "commit_table", refuse)
        with pytest.raises(told, match=r"raw\.glucose_entries"):
            compact(table, commit_id="test")
    assert compact(branch.table("glucose_entries"), commit_id="test") == 2
