"""Branches become versions whole or not at all, and old versions stay until nobody needs them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.errors import (
    BranchError,
    ConflictError,
    InputError,
    LakeFormatError,
    ServiceError,
)
from include.lakehouse import Branch, Lakehouse, branch_name, open_lakehouse
from include.lakehouse.upkeep import kept_names
from include.lakehouse.versions import Record
from include.settings import Settings
from tests.lakehouse.both import on_both
from tests.lakehouse.raw_rows import entry, frame, merge, stored

MARCH = datetime(2025, 3, 10, 12, tzinfo=UTC)


def grow(lakehouse: Lakehouse, name: str, *, views: bool = False) -> Branch:
    """A branch of main with one more reading, named like the branch."""
    branch = lakehouse.open_branch(name, lakehouse.main_version(), run_id=f"run of {name}")
    merge(branch.table("glucose_entries"), frame([entry(name, MARCH)]))
    if views:
        branch.refresh_views()
    return branch


def promoted(lakehouse: Lakehouse, name: str, *, views: bool = False) -> None:
    lakehouse.promote(name, grow(lakehouse, name, views=views).head())


def readings(lakehouse: Lakehouse, ref: str = "main") -> set[str]:
    return {key for _, key in stored(lakehouse.at(ref).table("glucose_entries"))}


def queried(lakehouse: Lakehouse, ref: str = "main") -> set[str]:
    return set(lakehouse.at(ref).query("select _id from raw.glucose_entries")["_id"].to_pylist())


def promote_on(home: Path, name: str, day: datetime) -> None:
    """Date a version's promotion."""
    record = home / "lake" / "versions" / name / "version.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"promoted_at": day.isoformat()}))


def test_a_new_lake_is_empty(lakehouse: Lakehouse, home: Path) -> None:
    assert lakehouse.main_version() is None
    assert lakehouse.history() == []
    assert lakehouse.branches() == []
    with pytest.raises(InputError, match="make run"):
        lakehouse.at("main")
    assert not home.exists()


@on_both
def test_a_branch_is_seen_by_nobody_until_it_is_promoted(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1", views=True)
    branch = grow(lakehouse, "v2", views=True)
    assert (readings(lakehouse), queried(lakehouse)) == ({"v1"}, {"v1"})
    assert (readings(lakehouse, "v2"), queried(lakehouse, "v2")) == ({"v1", "v2"}, {"v1", "v2"})
    lakehouse.promote("v2", branch.head())
    assert (readings(lakehouse), queried(lakehouse)) == ({"v1", "v2"}, {"v1", "v2"})


@on_both
def test_a_reader_keeps_the_version_it_opened(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1", views=True)
    reader = lakehouse.at()
    promoted(lakehouse, "v2")
    assert reader.name == "v1"
    assert reader.query("select count(*) as n from raw.glucose_entries").to_pylist() == [{"n": 1}]
    assert len(stored(reader.table("glucose_entries"))) == 1


@on_both
def test_promoting_again_changes_nothing(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1")
    promoted(lakehouse, "v2")
    before = lakehouse.history()
    lakehouse.promote("v2", "any head")
    lakehouse.promote("v1", "any head")  # part of main, though not main any more
    assert lakehouse.history() == before


@on_both
def test_promoting_after_main_moved_is_a_conflict(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1")
    late = grow(lakehouse, "late")
    promoted(lakehouse, "v2")
    with pytest.raises(ConflictError, match="clear the whole run"):
        lakehouse.promote("late", late.head())
    assert lakehouse.main_version() == "v2"
    assert [branch.name for branch in lakehouse.branches() if not branch.is_promoted] == ["late"]


@on_both
def test_promoting_what_changed_after_its_audit_is_refused(lakehouse: Lakehouse) -> None:
    branch = grow(lakehouse, "v1")
    audited = branch.head()
    merge(branch.table("glucose_entries"), frame([entry("late", MARCH)]))
    with pytest.raises(BranchError, match="after its audit"):
        lakehouse.promote("v1", audited)
    assert lakehouse.main_version() is None


@on_both
def test_the_head_follows_tables_and_models(lakehouse: Lakehouse) -> None:
    branch = grow(lakehouse, "v1")
    heads = [branch.head(), branch.head()]
    assert heads[0] == heads[1]
    merge(branch.table("treatments"), frame([treatment("t")], "treatments"), name="treatments")
    heads.append(branch.head())
    branch.refresh_views()
    heads.append(branch.head())
    assert len(set(heads)) == 3
    branch.refresh_views()
    assert branch.head() == heads[-1]


def treatment(identity: str) -> dict[str, object]:
    names = ("content_hash", "first_seen_at", "ingested_at", "run_id", "payload", "site_id")
    return {name: entry(identity, MARCH)[name] for name in names} | {"_id": identity, "treated_at": MARCH}


@on_both
def test_what_a_branch_changed(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1", views=True)
    branch = lakehouse.open_branch("v2", "v1")
    branch.refresh_views()
    assert branch.changed_tables() == set()
    merge(branch.table("treatments"), frame([treatment("t")], "treatments"), name="treatments")
    assert branch.changed_tables() == {"treatments"}


@on_both
def test_a_promoted_branch_takes_no_more_writes(lakehouse: Lakehouse) -> None:
    branch = grow(lakehouse, "v1")
    table = branch.table("glucose_entries")
    lakehouse.promote("v1", branch.head())
    with pytest.raises(BranchError, match="clear the whole run"):
        merge(table, frame([entry("late", MARCH)]))
    with pytest.raises(BranchError, match="clear the whole run"):
        branch.refresh_views()
    with pytest.raises(BranchError, match="clear the whole run"):
        lakehouse.branch("v1")
    with pytest.raises(BranchError, match="clear the whole run"):
        lakehouse.open_branch("v1", None)
    assert readings(lakehouse) == {"v1"}


@on_both
def test_a_reference_takes_no_writes(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1")
    with pytest.raises(BranchError, match="read-only"):
        merge(lakehouse.at().table("glucose_entries"), frame([entry("late", MARCH)]))
    with pytest.raises(BranchError, match=r"raw\.no_such_table"):
        lakehouse.at().table("no_such_table")


@on_both
def test_opening_again_starts_over_from_the_recorded_base(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1")
    grow(lakehouse, "v2")
    promoted(lakehouse, "other")
    branch = lakehouse.open_branch("v2", "v1")
    assert (branch.base, readings(lakehouse, "v2")) == ("v1", {"v1"})
    assert branch.foreign_tables(()) == set()


@on_both
def test_opening_needs_a_base_that_is_kept(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1")
    grow(lakehouse, "open")
    for base in ("gone", "open"):
        with pytest.raises(BranchError, match=f"{base} is not kept"):
            lakehouse.open_branch("v2", base)
    with pytest.raises(BranchError, match="there is no branch v2"):
        lakehouse.branch("v2")


@on_both
def test_dropping_a_branch(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1")
    grow(lakehouse, "open")
    lakehouse.drop_branch("open")
    assert [branch.name for branch in lakehouse.branches()] == ["v1"]
    with pytest.raises(InputError, match="version"):
        lakehouse.drop_branch("v1")
    with pytest.raises(InputError, match="no branch open"):
        lakehouse.drop_branch("open")


@on_both
def test_history_tells_where_each_version_came_from(lakehouse: Lakehouse) -> None:
    before = datetime.now(UTC)
    promoted(lakehouse, "v1")
    promoted(lakehouse, "v2")
    second, first = lakehouse.history()
    assert (second.name, second.base, second.run_id) == ("v2", "v1", "run of v2")
    assert (first.name, first.base, first.run_id) == ("v1", None, "run of v1")
    assert before - timedelta(seconds=1) < first.promoted_at < second.promoted_at
    assert (second.is_main, first.is_main) == (True, False)
    assert not first.is_superseded


@on_both
def test_rollback_and_what_comes_after_it(lakehouse: Lakehouse) -> None:
    for name in ("v1", "v2", "v3"):
        promoted(lakehouse, name, views=name == "v1")
    stale = grow(lakehouse, "stale")
    lakehouse.rollback("v1")
    lakehouse.rollback("v1")
    assert (readings(lakehouse), queried(lakehouse)) == ({"v1"}, {"v1"})
    shown = [(version.name, version.is_main, version.is_superseded) for version in lakehouse.history()]
    assert shown == [("v3", False, True), ("v2", False, True), ("v1", True, False)]
    with pytest.raises(ConflictError):
        lakehouse.promote("stale", stale.head())
    with pytest.raises(BranchError, match="rolled back"):
        lakehouse.promote("v3", "any head")
    promoted(lakehouse, "v4")
    assert readings(lakehouse) == {"v1", "v4"}
    shown = [(version.name, version.is_main, version.is_superseded) for version in lakehouse.history()]
    assert shown == [("v4", True, False), ("v3", False, True), ("v2", False, True), ("v1", False, False)]
    lakehouse.rollback("v3")
    assert readings(lakehouse) == {"v1", "v2", "v3"}


@on_both
def test_rollback_names_what_is_kept(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1")
    grow(lakehouse, "open")
    for unknown in ("v0", "open", "../v1"):
        with pytest.raises(InputError, match=r"kept are: v1$"):
            lakehouse.rollback(unknown)


@on_both
def test_an_unknown_reference_names_the_known_ones(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1")
    with pytest.raises(InputError, match="known besides main: v1"):
        lakehouse.at("v0")
    with pytest.raises(InputError, match="cannot name a branch"):
        lakehouse.at("../../etc")


def test_a_sweep_keeps_seven_versions_and_one_a_day() -> None:
    now = datetime(2025, 6, 10, 0, 30, tzinfo=UTC)

    def version(name: str, promoted_at: datetime) -> Record:
        return Record(name, (), None, promoted_at, promoted_at)

    hours = [
        version(f"{days}d{hour:02}", datetime(2025, 6, 10 - days, hour, tzinfo=UTC)) for days, hour in SPREAD
    ]
    kept = kept_names(hours, "9d05", (), timedelta(0), now)
    last_seven = {"0d00", "1d23", "1d22", "1d21", "1d20", "1d19", "1d18"}
    assert kept == last_seven | {"2d23", "3d23", "4d23", "5d23", "6d23"} | {"9d05"}


def test_where_versions_are_names_all_of_a_week_stay_and_one_of_each_day_before() -> None:
    now = datetime(2025, 6, 10, 0, 30, tzinfo=UTC)
    hours = [
        Record(f"{days}d{hour:02}", (), None, at, at)
        for days, hour in SPREAD
        for at in [datetime(2025, 6, 10 - days, hour, tzinfo=UTC)]
    ]
    kept = kept_names(hours, "0d00", (), timedelta(0), now, keep_all_since=now - timedelta(days=7))
    week = {record.name for record in hours if record.opened_at >= datetime(2025, 6, 3, 0, 30, tzinfo=UTC)}
    assert kept == week | {"7d23", "8d23", "9d23"}


# Every hour of the nine days before 10 June 2025, and its first one.
SPREAD = [(0, 0), *((days, hour) for days in range(1, 10) for hour in range(24))]


@on_both
def test_a_sweep_takes_branches_that_nobody_uses(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1")
    grow(lakehouse, "failed")
    grow(lakehouse, "running")
    assert lakehouse.sweep().branches == ()  # a failed run's branch stays for inspection
    swept = lakehouse.sweep(in_use={"running"}, branch_age=timedelta(0))
    assert swept.branches == ("failed",)
    assert readings(lakehouse, "running") == {"v1", "running"}


@on_both
def test_a_branch_made_by_hand_stays_until_it_is_dropped(lakehouse: Lakehouse) -> None:
    with pytest.raises(InputError, match="the lake is empty"):
        lakehouse.create_branch("idea")
    promoted(lakehouse, "v1")
    lakehouse.create_branch("idea")
    for taken in ("idea", "v1"):
        with pytest.raises(InputError, match=f"{taken} already: choose another name"):
            lakehouse.create_branch(taken)
    with pytest.raises(InputError, match="cannot name a branch"):
        lakehouse.create_branch("main")
    promoted(lakehouse, "v2")
    lakehouse.sweep(branch_age=timedelta(0), file_grace=timedelta(0))
    assert [branch.name for branch in lakehouse.branches() if not branch.is_promoted] == ["idea"]
    assert readings(lakehouse, "idea") == {"v1"}
    assert readings(lakehouse) == {"v1", "v2"}
    lakehouse.drop_branch("idea")
    assert [branch.name for branch in lakehouse.branches() if not branch.is_promoted] == []


def test_a_sweep_keeps_open_branches_in_use_and_their_bases() -> None:
    now = datetime(2025, 6, 10, tzinfo=UTC)
    versions = [Record(f"v{number}", (), None, now, now - timedelta(days=30 - number)) for number in range(9)]
    branches = [
        Record("used", ("v0",), None, now - timedelta(days=3)),
        Record("fresh", ("v1",), None, now - timedelta(hours=23)),
        Record("stale", ("v2",), None, now - timedelta(hours=25)),
    ]
    kept = kept_names([*versions, *branches], "v8", {"used"}, timedelta(days=1), now)
    assert kept == {f"v{number}" for number in range(2, 9)} | {"v0", "v1", "used", "fresh"}


def test_a_sweep_removes_files_that_nothing_reaches_and_no_others(lakehouse: Lakehouse, home: Path) -> None:
    warehouse = home / "lake" / "warehouse"
    names = [f"v{number}" for number in range(9)]
    for number, name in enumerate(names):
        branch = grow(lakehouse, name)
        branch.expire(keep=2)
        if number > 5:
            branch.refresh_views()
        lakehouse.promote(name, branch.head())
        promote_on(home, name, datetime(2025, 1, 1, number, tzinfo=UTC))
    grow(lakehouse, "failed")
    before = {path for path in warehouse.rglob("*") if path.is_file()}
    swept = lakehouse.sweep(in_use={"failed"})
    assert (swept.versions, swept.branches, swept.file_count) == (("v1", "v0"), (), 0)  # all files are young
    assert lakehouse.sweep(in_use={"failed"}, file_grace=timedelta(0)).file_count > 0
    after = {path for path in warehouse.rglob("*") if path.is_file()}
    for number, name in enumerate(names):
        if number > 1:
            assert readings(lakehouse, name) == set(names[: number + 1])
        if number > 5:
            assert queried(lakehouse, name) == set(names[: number + 1])
    assert readings(lakehouse, "failed") == {*names, "failed"}
    data = {path for path in after if path.suffix == ".parquet"}
    assert len(data) == 8  # one month: a file for each of the seven versions and for the branch
    assert len(before) > len(after)


def test_expired_snapshots_leave_older_versions_readable(lakehouse: Lakehouse) -> None:
    for number in range(4):
        promoted(lakehouse, f"v{number}", views=number == 1)
    branch = grow(lakehouse, "v4")
    branch.expire(keep=2)
    assert len(branch.table("glucose_entries").metadata.snapshots) == 2
    before = branch.table("glucose_entries").metadata_location
    branch.expire(keep=2)
    assert branch.table("glucose_entries").metadata_location == before
    branch.refresh_views()
    lakehouse.promote("v4", branch.head())
    lakehouse.sweep(file_grace=timedelta(0))
    assert len(readings(lakehouse)) == 5
    assert readings(lakehouse, "v1") == queried(lakehouse, "v1") == {"v0", "v1"}


def test_what_a_kill_left_is_finished_or_removed(lakehouse: Lakehouse, home: Path) -> None:
    promoted(lakehouse, "v1")
    record = home / "lake" / "versions" / "v1" / "version.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"promoted_at": None}))
    half = home / "lake" / "versions" / ".v2-1-1"
    half.mkdir()
    (version,) = lakehouse.history()
    assert version.is_main
    promoted(lakehouse, "v3")
    assert [version.name for version in lakehouse.history()] == ["v3", "v1"]
    assert not half.exists()


def test_a_newer_lake_is_refused(lakehouse: Lakehouse, home: Path) -> None:
    promoted(lakehouse, "v1")
    assert (home / "lake" / "format").read_text() == "1\n"
    (home / "lake" / "format").write_text("2\n")
    with pytest.raises(LakeFormatError, match="update the program"):
        open_lakehouse(Settings(_env_file=None, lakehouse_home=home))
    with pytest.raises(LakeFormatError, match="update the program"):
        lakehouse.open_branch("v2", "v1")  # it was opened before the newer program came


def test_a_home_that_cannot_be_used(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match="let LAKEHOUSE_HOME name a folder"):
        open_lakehouse(Settings(_env_file=None, lakehouse_home=tmp_path / "file" / "home"))

    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))  # root is never refused by a real folder

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        ServiceError, match=r"lake/versions cannot be used \(Permission denied\): let LAKEHOUSE_HOME"
    ):
        open_lakehouse(Settings(_env_file=None, lakehouse_home=home)).open_branch("v1", None)


def test_a_disk_that_fills_up_leaves_main_as_it_was(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(lakehouse, "v1")
    head = grow(lakehouse, "v2").head()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for call in ("os.fsync", "shutil.copyfile"):
        with monkeypatch.context() as patch:
            patch.setattr(call, full)
            with pytest.raises(ServiceError, match="is full: free some space"):
                lakehouse.promote("v2", head) if call == "os.fsync" else lakehouse.open_branch("v3", "v1")
    assert [version.name for version in lakehouse.history()] == ["v1"]
    lakehouse.promote("v2", head)
    assert readings(lakehouse) == {"v1", "v2"}


def test_a_stack_that_was_never_started(home: Path) -> None:
    with pytest.raises(ServiceError, match="make stack-up"):
        open_lakehouse(Settings(_env_file=None, lakehouse_home=home, lakehouse_profile="trino"))


@pytest.mark.parametrize(
    ("run_id", "readable"),
    [
        ("scheduled__2024-10-15T00:00:00+00:00", "scheduled__2024-10-15T00-00-00-00-00-"),
        ("2024", "run-2024-"),
        ("Ümläut/../../x", "ml-ut-x-"),
        ("...", "run-"),
        ("x" * 300, "x" * 70 + "-"),
    ],
)
@on_both
def test_branch_names_are_readable_and_safe(lakehouse: Lakehouse, run_id: str, readable: str) -> None:
    name = branch_name(run_id, 12)
    assert name.startswith(readable)
    assert name.endswith("-12")
    assert len(name) <= 100
    assert lakehouse.open_branch(name, None).name == name


@on_both
def test_branch_names_differ(lakehouse: Lakehouse) -> None:
    runs = ["a+b", "a-b", "A-b", "x" * 200, "x" * 201]
    assert len({branch_name(run, lease) for run in runs for lease in (1, 11)}) == 10


@pytest.mark.parametrize("name", ["main", "", "../x", ".x", "1x", "a/b", "a" * 101, "a b", "a\n"])
@on_both
def test_names_that_could_do_harm_are_refused(lakehouse: Lakehouse, name: str) -> None:
    with pytest.raises(InputError, match="cannot name a branch"):
        lakehouse.open_branch(name, None)
