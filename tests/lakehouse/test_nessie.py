"""The lake on a real Nessie: other hands on it, processes killed at any request, services that are down."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import NestedField, StringType

from include.errors import (
    BranchError,
    ConflictError,
    ContractError,
    InputError,
    LakeFormatError,
    ServiceError,
)
from include.lakehouse import Lakehouse
from include.lakehouse.nessie.api import BRANCH, TAG, Nessie
from include.lakehouse.nessie.catalog import NessieCatalog
from include.lakehouse.nessie.lakehouse import NessieLakehouse
from include.lakehouse.nessie.trino import PIPELINE, WORKING_CATALOG, Trino
from include.lakehouse.nessie.versions import OURS, Versions
from include.schemas import RAW_TABLES
from include.settings import Settings
from include.stack.connection import lake_connection
from tests.free_ports import free_port
from tests.lakehouse.both import nessie_of, on_nessie
from tests.lakehouse.crashing import processes, started
from tests.lakehouse.nessie_faults import (
    commit_by_hand,
    just_before,
    lost_answer,
    names,
    open_and_die,
    promote_and_die,
    remove_by_hand,
)
from tests.lakehouse.raw_rows import entry, frame, merge
from tests.lakehouse.test_versions import grow, promoted, queried, readings

# ruff: noqa: S608 - statements of tests

pytestmark = on_nessie

RUNNING = (
    "select 1 from system.runtime.queries where state = 'RUNNING' and query like 'create table marts.z%'"
)
MARCH = datetime(2025, 3, 10, 12, tzinfo=UTC)
processes.set_forkserver_preload([__name__])


@pytest.fixture
def nessie(stack: Settings) -> Nessie:
    return nessie_of(stack)


def shown(lakehouse: Lakehouse) -> list[tuple[str, bool, bool]]:
    return [(version.name, version.is_main, version.is_superseded) for version in lakehouse.history()]


def hash_of(nessie: Nessie, name: str) -> str:
    ref = nessie.reference(name)
    assert ref is not None
    return ref.hash


def test_a_new_lake_is_empty(lakehouse: Lakehouse, nessie: Nessie) -> None:
    assert lakehouse.main_version() is None
    assert lakehouse.history() == []
    assert lakehouse.branches() == []
    with pytest.raises(InputError, match="make run"):
        lakehouse.at("main")
    assert [ref.name for ref in nessie.references()] == ["main"]


def test_a_new_lake_that_two_prepare_at_once(lakehouse: Lakehouse, nessie: Nessie) -> None:
    commit_by_hand(nessie, "notes")
    main = hash_of(nessie, "main")
    with just_before("create", "lakehouse.empty", lambda: nessie.create(TAG, "lakehouse.empty", main)):
        promoted(lakehouse, "v1")
    assert hash_of(nessie, "lakehouse.empty") == main
    assert readings(lakehouse) == {"v1"}


def test_a_newer_lake_is_refused(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("include.lakehouse.nessie.branches.LAKE_FORMAT", 2)
        promoted(lakehouse, "v1")
    for use in (lakehouse.main_version, lakehouse.history, lambda: lakehouse.open_branch("v2", "v1")):
        with pytest.raises(LakeFormatError, match="update the program"):
            use()


def test_main_moved_by_somebody_else(lakehouse: Lakehouse, nessie: Nessie) -> None:
    promoted(lakehouse, "v1")
    branch = grow(lakehouse, "v2")
    commit_by_hand(nessie, "notes")
    with pytest.raises(ConflictError, match=r"main is commit-[0-9a-f]{16}, but branch v2 was opened from v1"):
        lakehouse.promote("v2", branch.head())
    strange = lakehouse.main_version()
    assert strange is not None
    assert names(lakehouse) == [(strange, True), ("v1", False)]
    assert readings(lakehouse) == queried(lakehouse) == {"v1"}
    again = lakehouse.open_branch("v3", strange)  # a clean run from what is there now
    merge(again.table("glucose_entries"), frame([entry("v3", MARCH)]))
    lakehouse.promote("v3", again.head())
    assert readings(lakehouse) == {"v1", "v3"}
    assert names(lakehouse) == [("v3", True), ("v1", False)]
    assert not any(version.is_superseded for version in lakehouse.history())
    assert lakehouse.open_branch("v4", strange).base == strange  # a second try, after main went on


def test_what_was_promoted_counts_though_main_went_on_before_its_tag(
    lakehouse: Lakehouse, stack: Settings, nessie: Nessie
) -> None:
    promoted(lakehouse, "v1")
    for name in ("v2", "v3"):
        head = grow(lakehouse, name).head()
        killed = started(promote_and_die, stack, name, head, 3)  # scratch, squash, main
        killed.join()
        assert killed.exitcode == -signal.SIGKILL
        commit_by_hand(nessie, f"notes_of_{name}")
        commit_by_hand(nessie, f"more_notes_of_{name}")
        strange = lakehouse.main_version()
        if name == "v2":
            lakehouse.promote(name, head)  # the next try
            lakehouse.promote(name, head)
            assert names(lakehouse) == [(strange, True), ("v2", False), ("v1", False)]
        else:
            lakehouse.sweep()  # no try comes any more
            assert names(lakehouse) == [(strange, True), ("v3", False), ("v2", False), ("v1", False)]
        assert lakehouse.main_version() == strange
        assert [ref.name for ref in nessie.references() if ref.name.startswith(OURS)] == []
    assert readings(lakehouse) == readings(lakehouse, "v3") == {"v1", "v2", "v3"}


def test_a_swap_whose_answer_says_that_main_moved(
    lakehouse: Lakehouse, nessie: Nessie, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(lakehouse, "v1")
    head = grow(lakehouse, "v2").head()
    assign = Nessie.assign

    def sent_twice(self: Nessie, name: str, seen: str, to: str) -> None:
        assign(self, name, seen, to)
        if name == "main":
            commit_by_hand(nessie, "notes")
            assign(self, name, seen, to)

    monkeypatch.setattr(Nessie, "assign", sent_twice)
    lakehouse.promote("v2", head)
    assert names(lakehouse) == [(lakehouse.main_version(), True), ("v2", False), ("v1", False)]
    assert {("notes",)} <= nessie.contents("main").keys()


def test_a_rollback_keeps_what_somebody_else_committed(
    lakehouse: Lakehouse, nessie: Nessie, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(lakehouse, "v1")
    commit_by_hand(nessie, "notes")
    commit_by_hand(nessie, "more_notes")
    strange, head = lakehouse.main_version(), hash_of(nessie, "main")
    assert strange == f"commit-{head[:16]}"
    lakehouse.rollback("v1")
    assert shown(lakehouse) == [(strange, False, True), ("v1", True, False)]
    monkeypatch.setattr("include.lakehouse.nessie.lakehouse.kept_names", lambda *_: {"v1"})
    assert lakehouse.sweep().versions == ()  # however old it is
    promoted(lakehouse, "v2")
    assert readings(lakehouse, strange) == queried(lakehouse, strange) == {"v1"}
    lakehouse.rollback(strange)
    assert hash_of(nessie, "main") == head
    assert shown(lakehouse) == [("v2", False, True), (strange, True, False), ("v1", False, False)]
    again = lakehouse.open_branch("v3", strange)
    lakehouse.promote("v3", again.head())
    assert {("notes",), ("more_notes",)} <= nessie.contents("main").keys()


def test_a_rollback_keeps_what_lies_below_our_own_versions(lakehouse: Lakehouse, nessie: Nessie) -> None:
    promoted(lakehouse, "v1")
    promoted(lakehouse, "v2")
    lakehouse.rollback("v1")
    assert [ref.name for ref in nessie.references() if ref.name.startswith("commit-")] == []
    commit_by_hand(nessie, "notes")
    strange = lakehouse.main_version()
    promoted(lakehouse, "v3")
    lakehouse.rollback("v1")
    remove_by_hand(nessie, "v3")  # as a sweep does in the end
    assert shown(lakehouse) == [(strange, False, True), ("v2", False, True), ("v1", True, False)]


def test_a_rollback_that_could_not_keep_a_commit_is_refused(lakehouse: Lakehouse, nessie: Nessie) -> None:
    promoted(lakehouse, "v1")
    commit_by_hand(nessie, "notes")
    strange = lakehouse.main_version()
    assert strange is not None
    nessie.create(BRANCH, strange, hash_of(nessie, "v1"))
    with pytest.raises(BranchError, match=f"{strange} is a version of main, but another reference"):
        lakehouse.rollback("v1")
    assert lakehouse.main_version() == strange


def test_main_moved_between_the_check_and_the_swap(
    lakehouse: Lakehouse, nessie: Nessie, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(lakehouse, "v1")
    branch = grow(lakehouse, "v2")
    assign = Nessie.assign

    def late(self: Nessie, name: str, seen: str, to: str) -> None:
        if name == "main":
            monkeypatch.undo()
            commit_by_hand(nessie, "notes")
        assign(self, name, seen, to)

    monkeypatch.setattr(Nessie, "assign", late)
    with pytest.raises(ConflictError, match="nothing was promoted"):
        lakehouse.promote("v2", branch.head())
    assert readings(lakehouse) == {"v1"}


@pytest.mark.parametrize("path", ["trees/main@", "trees"], ids=["of the swap", "of the tag"])
def test_a_lost_answer(lakehouse: Lakehouse, path: str) -> None:
    promoted(lakehouse, "v1")
    head = grow(lakehouse, "v2").head()
    method = "PUT" if path == "trees/main@" else "POST"
    with (
        lost_answer(Nessie, method, path, ServiceError("connection reset")),
        pytest.raises(ServiceError, match="reset"),
    ):
        lakehouse.promote("v2", head)
    lakehouse.promote("v2", head)
    assert names(lakehouse) == [("v2", True), ("v1", False)]
    assert readings(lakehouse) == {"v1", "v2"}


def test_a_kill_after_any_step_of_promote(lakehouse: Lakehouse, stack: Settings, nessie: Nessie) -> None:
    promoted(lakehouse, "v0")
    seen: list[str] = []
    for writes in range(20):
        name, before = f"v{writes + 1}", lakehouse.main_version()
        head = grow(lakehouse, name).head()
        killed = started(promote_and_die, stack, name, head, writes)
        killed.join()
        main = lakehouse.main_version()
        assert main in (before, name)
        seen += ["new" if main == name else "old"]
        assert (name in readings(lakehouse)) == (main == name)
        lakehouse.promote(name, head)
        assert lakehouse.main_version() == name
        assert names(lakehouse)[0] == (name, True)
        assert {ref.name for ref in nessie.references()} == {
            *("main", "wip_nightscout", "lakehouse.empty"),
            *(f"v{number}" for number in range(writes + 2)),
        }
        if killed.exitcode == 0:
            break
        assert killed.exitcode == -signal.SIGKILL
    assert set(seen) == {"old", "new"}
    assert len(seen) == 8  # six changes: scratch, squash, main, tag, and both branches removed


def test_a_kill_after_any_step_of_opening(lakehouse: Lakehouse, stack: Settings) -> None:
    promoted(lakehouse, "v1")
    for writes in range(20):
        grow(lakehouse, "failed")
        killed = started(open_and_die, stack, "next", "v1", writes)
        killed.join()
        branch = lakehouse.open_branch("next", "v1")
        assert (branch.base, readings(lakehouse, "next")) == ("v1", {"v1"})
        assert readings(lakehouse, "failed") == {"v1", "failed"}  # stays for inspection
        assert readings(lakehouse) == {"v1"}
        lakehouse.drop_branch("next")
        if killed.exitcode == 0:
            break
        assert killed.exitcode == -signal.SIGKILL
    assert writes == 7  # six changes: scratch, marker, record, park, reset, scratch removed
    lakehouse.sweep(branch_age=timedelta(0))
    assert [branch.name for branch in lakehouse.branches()] == ["v1"]


def test_a_version_that_was_not_tagged_is_tagged_later(lakehouse: Lakehouse, nessie: Nessie) -> None:
    promoted(lakehouse, "v1")
    remove_by_hand(nessie, "v1")
    assert names(lakehouse) == [("v1", True)]
    assert readings(lakehouse, "v1") == {"v1"}
    lakehouse.rollback("v1")
    promoted(lakehouse, "v2")
    assert names(lakehouse) == [("v2", True), ("v1", False)]


def test_a_name_that_somebody_took(lakehouse: Lakehouse, nessie: Nessie) -> None:
    promoted(lakehouse, "v1")
    head = grow(lakehouse, "v2").head()
    nessie.create(TAG, "v2", lakehouse.open_branch("other", "v1").head())
    with pytest.raises(BranchError, match="another reference of Nessie has that name"):
        lakehouse.promote("v2", head)
    assert readings(lakehouse) == {"v1", "v2"}
    remove_by_hand(nessie, "v2")
    lakehouse.promote("v2", head)
    assert names(lakehouse) == [("v2", True), ("v1", False)]


def test_only_one_branch_is_written_at_a_time(lakehouse: Lakehouse) -> None:
    first = grow(lakehouse, "first")
    table, head = first.table("glucose_entries"), first.head()
    second = grow(lakehouse, "second")
    for late in (
        lambda: merge(table, frame([entry("late", MARCH)])),
        lambda: lakehouse.branch("first"),
        lambda: first.refresh_views(),
        lambda: first.drop_strangers(()),
    ):
        with pytest.raises(BranchError, match="is that of second by now"):
            late()
    assert first.head() == head
    assert readings(lakehouse, "first") == queried(lakehouse, "first") == {"first"}
    assert readings(lakehouse, "second") == {"second"}
    assert lakehouse.branch("second").head() == second.head()
    lakehouse.promote("first", head)  # what was audited, wherever it stands
    assert readings(lakehouse) == {"first"}


@pytest.mark.parametrize("name", ["wip_nightscout", "lakehouse.open.v2"])
def test_a_branch_deleted_by_hand(lakehouse: Lakehouse, nessie: Nessie, name: str) -> None:
    promoted(lakehouse, "v1")
    branch = grow(lakehouse, "v2")
    head = branch.head()
    remove_by_hand(nessie, name)
    for act in (
        lambda: lakehouse.branch("v2"),
        lambda: branch.table("glucose_entries"),
        lambda: lakehouse.promote("v2", head),
    ):
        with pytest.raises(BranchError, match="clear the whole run"):
            act()
    assert readings(lakehouse) == {"v1"}
    promoted(lakehouse, "v3")
    assert readings(lakehouse) == {"v1", "v3"}


def test_of_two_promotes_at_once_one_wins(lakehouse: Lakehouse) -> None:
    promoted(lakehouse, "v1")
    heads = {name: lakehouse.open_branch(name, "v1").head() for name in ("left", "right")}
    together = threading.Barrier(2)

    def promote(name: str) -> str | None:
        together.wait()
        try:
            lakehouse.promote(name, heads[name])
        except ConflictError:
            return None
        return name

    with ThreadPoolExecutor(2) as pool:
        (winner,) = {*pool.map(promote, heads)} - {None}
    assert names(lakehouse) == [(winner, True), ("v1", False)]


@pytest.mark.parametrize(("name", "reference"), [("idea", "idea"), ("v2", "lakehouse.open.v2")])
def test_a_branch_that_is_written_while_it_is_dropped(
    lakehouse: Lakehouse, nessie: Nessie, name: str, reference: str
) -> None:
    promoted(lakehouse, "v1")
    lakehouse.create_branch("idea")
    grow(lakehouse, "v2")
    with (
        just_before("delete", reference, lambda: commit_by_hand(nessie, "notes", reference)),
        pytest.raises(ServiceError, match=r"^somebody else changed branches or tags .*: try again$"),
    ):
        lakehouse.drop_branch(name)
    assert ("notes",) in nessie.contents(reference)
    lakehouse.drop_branch(name)
    assert nessie.reference(reference) is None


def test_a_name_that_somebody_takes_just_now(lakehouse: Lakehouse, nessie: Nessie) -> None:
    promoted(lakehouse, "v1")
    with (
        just_before("create", "idea", lambda: nessie.create(TAG, "idea", hash_of(nessie, "main"))),
        pytest.raises(InputError, match="idea already: choose another name"),
    ):
        lakehouse.create_branch("idea")


@pytest.mark.parametrize("reference", ["lakehouse.promote.v2", "lakehouse.open.v2"])
def test_what_another_process_promotes_just_now(lakehouse: Lakehouse, nessie: Nessie, reference: str) -> None:
    promoted(lakehouse, "v1")
    head = grow(lakehouse, "v2").head()
    scratch = "lakehouse.promote.v2"
    with (
        just_before("create", scratch, lambda: nessie.create(BRANCH, scratch, head)),
        pytest.raises(ServiceError, match=r"^somebody else changed branches or tags .*: try again$"),
    ):
        lakehouse.promote("v2", head)
    assert readings(lakehouse) == {"v1"}
    with just_before("delete", reference, lambda: commit_by_hand(nessie, "notes", reference)):
        lakehouse.promote("v2", head)
    assert names(lakehouse) == [("v2", True), ("v1", False)]
    assert readings(lakehouse) == {"v1", "v2"}
    lakehouse.sweep()
    assert [ref.name for ref in nessie.references() if ref.name.startswith(OURS)] == []


def test_main_moved_while_it_is_rolled_back(lakehouse: Lakehouse, nessie: Nessie) -> None:
    promoted(lakehouse, "v1")
    promoted(lakehouse, "v2")
    with (
        just_before("assign", "main", lambda: commit_by_hand(nessie, "notes")),
        pytest.raises(ConflictError, match=r"^somebody else moved main just now .*: try again$"),
    ):
        lakehouse.rollback("v1")
    assert ("notes",) in nessie.contents("main")


def test_a_hash_that_nessie_does_not_know_is_told(nessie: Nessie, lakehouse: Lakehouse) -> None:
    with pytest.raises(ServiceError, match=r"^somebody else changed branches or tags .*: try again$"):
        nessie.contents(f"@{'ab' * 32}")


def test_a_nessie_that_others_use_too(lakehouse: Lakehouse, nessie: Nessie) -> None:
    commit_by_hand(nessie, "notes")
    assert lakehouse.main_version() is None
    branch = grow(lakehouse, "v1")
    commit_by_hand(nessie, "more_notes")
    assert lakehouse.main_version() is None
    with pytest.raises(ConflictError, match="main is None"):
        lakehouse.promote("v1", branch.head())
    promoted(lakehouse, "v2")
    assert names(lakehouse) == [("v2", True)]
    assert {("notes",), ("more_notes",), ("raw", "glucose_entries")} <= nessie.contents("v2").keys()
    with pytest.raises(BranchError, match="somebody-elses is not kept"):
        lakehouse.open_branch("v3", "somebody-elses")


def test_queries_of_a_dead_run_are_ended_before_the_branch_is_given_away(
    lakehouse: Lakehouse, stack: Settings
) -> None:
    grow(lakehouse, "dead")
    told: list[str] = []
    trino = Trino(stack.lakehouse_trino_port)

    def write_for_long() -> None:
        numbers = "unnest(sequence(1, 10000))"
        try:
            trino.rows(
                f"create table marts.zombie as select count(*) as n from {numbers} cross join {numbers} "
                f"cross join {numbers}",
                WORKING_CATALOG,
                user=PIPELINE,
            )
        except InputError as error:
            told.append(str(error))

    zombie = threading.Thread(target=write_for_long)
    zombie.start()
    while not trino.rows(RUNNING, "system", user="observer"):
        assert zombie.is_alive()
    branch = lakehouse.open_branch("next", None)
    zombie.join(60)
    assert "left by an earlier run" in told[0]
    assert branch.foreign_tables(()) == set()


def test_a_query_that_does_not_end_is_told(
    lakehouse: Lakehouse, stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.lakehouse.nessie.trino._PATIENCE", -1)
    monkeypatch.setattr("include.lakehouse.nessie.trino._LEFT", "select 'q1' as query_id")
    with pytest.raises(ServiceError, match=r"still runs what an earlier run left \(q1\)"):
        Trino(stack.lakehouse_trino_port).kill_left_over()


def test_a_table_made_by_hand(lakehouse: Lakehouse, stack: Settings, nessie: Nessie) -> None:
    promoted(lakehouse, "v1")
    by_hand = NessieCatalog(lake_connection(stack), "main", _allowed)
    by_hand.create_table(("raw", "treatments"), Schema(NestedField(1, "note", StringType(), required=False)))
    by_hand.create_table(("marts", "notes"), Schema(NestedField(1, "note", StringType(), required=False)))
    branch = lakehouse.open_branch("v2", lakehouse.main_version())
    with pytest.raises(ContractError, match=r"raw\.treatments does not have the columns of its contract"):
        branch.table("treatments")
    assert branch.foreign_tables({"marts.real"}) == {"marts.notes"}
    assert branch.drop_strangers({"marts.real"}) == {"marts.notes"}
    assert branch.drop_strangers({"marts.real"}) == branch.foreign_tables({"marts.real"}) == set()
    assert readings(lakehouse) == {"v1"}


def _allowed() -> Callable[..., object]:
    raise AssertionError("creating a table commits nothing")


def test_trino_sees_what_was_merged(lakehouse: Lakehouse, stack: Settings) -> None:
    branch = grow(lakehouse, "v1", views=True)
    environment = branch.dbt_environment()
    assert branch.dbt_folder().is_dir()
    trino = Trino(int(environment["LAKEHOUSE_TRINO_PORT"]), environment["LAKEHOUSE_TRINO_HOST"])
    user, catalog = environment["LAKEHOUSE_TRINO_USER"], environment["LAKEHOUSE_TRINO_CATALOG"]
    for name in RAW_TABLES:
        trino.rows(f"select * from raw.{name}", catalog, user=user)
    trino.rows("create table marts.seen as select _id from raw.glucose_entries", catalog, user=user)
    assert branch.query("select _id from marts.seen")["_id"].to_pylist() == ["v1"]
    lakehouse.promote("v1", branch.head())
    assert trino.rows("select _id from marts.seen", "lake", user="reader") == [["v1"]]
    assert not any("promote" in name or "open" in name for name, _ in names(lakehouse))


def lakehouse_with(stack: Settings, tmp_path: Path, **changes: str) -> NessieLakehouse:
    connection = replace(lake_connection(stack), **changes)
    return NessieLakehouse(connection, Trino(stack.lakehouse_trino_port), tmp_path, tmp_path)


def test_nessie_is_down(lakehouse: Lakehouse, stack: Settings, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    down = lakehouse_with(stack, tmp_path, nessie_uri=address)
    for use in (
        down.main_version,
        down.history,
        down.sweep,
        lambda: down.open_branch("v1", None),
        lambda: down.promote("v1", "head"),
        lambda: NessieCatalog(replace(lake_connection(stack), nessie_uri=address), "main"),
    ):
        with pytest.raises(ServiceError, match=f"^Nessie on {address} is not usable"):
            use()


def test_nessie_goes_down_while_a_table_is_written(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = grow(lakehouse, "v1").table("glucose_entries")
    monkeypatch.setattr("time.sleep", lambda _: None)

    def lose(*_: object, **__: object) -> None:
        raise ServiceError("Nessie on http://127.0.0.1:1 is not usable (no connection)")

    monkeypatch.setattr("include.lakehouse.nessie.catalog._ToldAdapter.send", lose)
    with pytest.raises(ServiceError, match="Nessie on"):
        merge(table, frame([entry("b", MARCH)]))
    monkeypatch.undo()
    assert readings(lakehouse, "v1") == {"v1"}


def test_trino_is_down(lakehouse: Lakehouse, stack: Settings, tmp_path: Path) -> None:
    port = free_port()
    down = NessieLakehouse(lake_connection(stack), Trino(port), tmp_path, tmp_path)
    with pytest.raises(ServiceError, match=f"^Trino on http://127.0.0.1:{port} is not usable"):
        down.open_branch("v1", None)
    assert lakehouse.branches() == []


@pytest.mark.parametrize(
    "changes",
    [{"s3_endpoint": "http://127.0.0.1:1"}, {"secret_access_key": "s3cr3t-wrong"}],
    ids=["down", "wrong key"],
)
def test_the_store_cannot_be_used(
    lakehouse: Lakehouse, stack: Settings, tmp_path: Path, changes: dict[str, str]
) -> None:
    promoted(lakehouse, "v1")
    grow(lakehouse, "v2")
    down = lakehouse_with(stack, tmp_path, **changes)
    endpoint = changes.get("s3_endpoint", lake_connection(stack).s3_endpoint)
    for use in (
        lambda: merge(down.branch("v2").table("glucose_entries"), frame([entry("b", MARCH)])),
        lambda: down.at("main").table("glucose_entries").scan().to_arrow(),
        lambda: down.at("main").query("select * from raw.glucose_entries"),
    ):
        with pytest.raises(ServiceError, match=f"^the S3 store on {endpoint} is not usable") as refused:
            use()
        assert "s3cr3t" not in str(refused.value)
    assert readings(lakehouse, "v2") == {"v1", "v2"}


def test_the_survey_and_its_order(lakehouse: Lakehouse, nessie: Nessie) -> None:
    for name in ("v1", "v2"):
        promoted(lakehouse, name)
    survey = Versions(nessie).survey()
    assert list(survey.promoted) == ["v1", "v2"]
    assert survey.next_moment() > max(record.promoted_at or MARCH for record in survey.records)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("wip_nightscout", "choose another name"), ("lakehouse.open.idea", "cannot name a branch")],
)
def test_names_of_our_own_branches_are_taken(lakehouse: Lakehouse, name: str, reason: str) -> None:
    promoted(lakehouse, "v1")
    with pytest.raises(InputError, match=reason):
        lakehouse.create_branch(name)


def test_branches_of_others_stay_whatever_they_are_called(lakehouse: Lakehouse, nessie: Nessie) -> None:
    promoted(lakehouse, "v1")
    main = hash_of(nessie, "main")
    others = {"open-food", "open-v1", "open-v2", "opening-v2", "promote-v2", "lakehouse-notes"}
    for name in others:
        nessie.create(BRANCH, name, main)
    commit_by_hand(nessie, "notes", "open-food")
    lakehouse.create_branch("promote-idea")
    others.add("promote-idea")
    before = {name: hash_of(nessie, name) for name in others}
    promoted(lakehouse, "v2")
    grow(lakehouse, "failed")
    assert lakehouse.sweep(branch_age=timedelta(0)).branches == ("failed",)
    assert {name: hash_of(nessie, name) for name in others} == before
    assert {branch.name for branch in lakehouse.branches() if not branch.is_promoted} == others
    lakehouse.drop_branch("open-v2")
    assert nessie.reference("open-v2") is None


@pytest.mark.parametrize("begin", [open_and_die, promote_and_die])
def test_what_killed_processes_left_is_swept(
    lakehouse: Lakehouse, stack: Settings, nessie: Nessie, begin: Callable[..., None]
) -> None:
    promoted(lakehouse, "v1")
    argument = grow(lakehouse, "v2").head() if begin is promote_and_die else "v1"
    killed = started(begin, stack, "v2", argument, 2)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert {"lakehouse.opening.v2", "lakehouse.promote.v2"} & {ref.name for ref in nessie.references()}
    lakehouse.sweep(branch_age=timedelta(0))
    left = {"main", "v1", "lakehouse.empty", "wip_nightscout"}
    assert {ref.name for ref in nessie.references()} == left


def test_an_empty_lake_says_so_when_it_is_asked(lakehouse: Lakehouse) -> None:
    with pytest.raises(InputError, match="the lake is empty"):
        lakehouse.ask("select * from marts.mrt_glucose_overview")
