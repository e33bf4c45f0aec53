"""Queries see exactly one version and can change nothing."""

import os
import signal
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from include.errors import BranchError, InputError, ServiceError
from include.lakehouse import Branch, Lakehouse
from include.lakehouse.engine import FILE
from include.lakehouse.extensions import engine_configuration, extension_directory
from include.schemas import RAW_TABLES
from tests.lakehouse.crashing import hold_open, processes, started, write_and_die
from tests.lakehouse.raw_rows import entry, frame, merge

MARCH = datetime(2025, 3, 10, 12, tzinfo=UTC)


def write(branch: Branch, *statements: str) -> None:
    """Change the branch as dbt does: with nothing but the environment it is given."""
    environment = branch.dbt_environment()
    configuration = engine_configuration(Path(environment["LAKEHOUSE_DUCKDB_EXTENSIONS"]))
    with duckdb.connect(
        branch.dbt_folder() / environment["LAKEHOUSE_DUCKDB_PATH"], config=configuration
    ) as connection:
        for statement in statements:
            connection.execute(statement)


def test_empty_tables_have_views_with_their_columns(branch: Branch) -> None:
    branch.refresh_views()
    for name, contract in RAW_TABLES.items():
        rows = branch.query(f"from raw.{name}")
        assert rows.num_rows == 0
        assert rows.column_names == list(contract.schema.columns)


def test_views_pin_the_tables_as_they_were(branch: Branch) -> None:
    table = branch.table("glucose_entries")
    merge(table, frame([entry("a", MARCH)]))
    branch.refresh_views()
    merge(table, frame([entry("b", MARCH)]))
    assert branch.query("select _id from raw.glucose_entries").to_pylist() == [{"_id": "a"}]
    branch.refresh_views()
    found = branch.query("select _id from raw.glucose_entries order by _id")
    assert found.to_pylist() == [{"_id": "a"}, {"_id": "b"}]


def test_dbt_sees_raw_through_the_environment_it_is_given(branch: Branch) -> None:
    merge(branch.table("glucose_entries"), frame([entry("a", MARCH, sgv=120.0)]))
    branch.refresh_views()
    write(
        branch,
        "create schema bronze",
        "create view bronze.stg_glucose_entries as select sgv from lake.raw.glucose_entries",
        "create schema marts",
        "create table marts.mean as select avg(sgv) as mean from lake.bronze.stg_glucose_entries",
    )
    assert branch.query("select mean from marts.mean").to_pylist() == [{"mean": 120.0}]
    assert branch.query("select sgv from bronze.stg_glucose_entries").to_pylist() == [{"sgv": 120.0}]
    assert branch.foreign_tables({"bronze.stg_glucose_entries", "marts.mean"}) == set()


def test_foreign_tables_are_named(branch: Branch) -> None:
    branch.refresh_views()
    write(
        branch,
        "create table main.notes as select 1 as x",
        "create schema scratch",
        "create view scratch.look as select 1 as x",
        "create table raw.made_by_hand as select 1 as x",
        "create schema gold",
        "create table gold.dim_date as select 1 as x",
    )
    branch.table("sites").catalog.create_namespace("elsewhere")
    branch.table("sites").catalog.create_table("elsewhere.table", branch.table("sites").schema())
    expected = {"main.notes", "scratch.look", "raw.made_by_hand", "elsewhere.table"}
    assert branch.foreign_tables({"gold.dim_date"}) == expected
    assert branch.foreign_tables({"gold.dim_sites"}) == expected | {"gold.dim_date"}


def test_a_build_begins_without_what_models_made_before(branch: Branch) -> None:
    branch.refresh_views()
    made = (
        "create view bronze.stg_sites as select * from lake.raw.sites",
        "create table marts.mean as select range as x from range(100_000)",
    )
    write(
        branch,
        "create schema bronze",
        "create schema marts",
        "create table main.notes as select 1 as x",
        *made,
    )
    size = (branch.dbt_folder() / FILE).stat().st_size
    for _ in range(3):
        branch.ready_to_build()
        assert branch.foreign_tables(()) == {"main.notes"}
        assert branch.query("from raw.sites").num_rows == 0
        write(branch, *made)
    assert (branch.dbt_folder() / FILE).stat().st_size == size


def test_what_is_no_model_any_more_is_dropped(branch: Branch) -> None:
    branch.refresh_views()
    write(
        branch,
        "create schema bronze",
        "create view bronze.renamed as select _id from lake.raw.treatments",
        "create view bronze.stays as select _id from lake.bronze.renamed",
        "create schema marts",
        'create table marts."removed ""one""" as select 1 as x',
        "create table marts.stays as select 1 as x",
        "create table main.notes as select 1 as x",
    )
    models = {"bronze.stays", "marts.stays"}
    assert branch.drop_strangers(models) == {"bronze.renamed", 'marts.removed "one"'}
    assert branch.query("select x from marts.stays").to_pylist() == [{"x": 1}]
    assert branch.foreign_tables(models) == {"main.notes"}  # nobody's: the audit tells
    head = branch.head()
    assert branch.drop_strangers(models) == set()
    assert branch.head() == head


def test_instants_are_utc_whatever_the_zone_of_the_machine(
    branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    merge(branch.table("glucose_entries"), frame([entry("a", datetime(2025, 3, 31, 23, 30, tzinfo=UTC))]))
    branch.refresh_views()
    rows = branch.query("select reading_at, cast(reading_at as date) as day from raw.glucose_entries")
    assert str(rows.schema.field("reading_at").type) == "timestamp[us, tz=UTC]"
    assert rows["day"].to_pylist() == [date(2025, 3, 31)]
    (month,) = {task.file.partition[1] for task in branch.table("glucose_entries").scan().plan_files()}
    assert month == (2025 - 1970) * 12 + 2


def test_parameters(branch: Branch) -> None:
    assert branch.query("select ? as a, ? as b", [1, "x'y"]).to_pylist() == [{"a": 1, "b": "x'y"}]
    assert branch.query("select $site as site", {"site": "home"}).to_pylist() == [{"site": "home"}]


def test_large_results_come_in_parts(branch: Branch) -> None:
    parts = list(branch.query_batches("select range as n from range(10000)", rows=3000))
    assert [number for part in parts for number in part["n"].to_pylist()] == list(range(10000))
    assert len(parts) > 2
    unread = branch.query_batches("select range as n from range(10000)", rows=3000)
    assert next(unread)["n"][0].as_py() == 0
    unread.close()
    branch.refresh_views()  # which needs the file alone


@pytest.mark.parametrize(
    "sql",
    [
        "create table lake.main.x as select 1",
        "insert into raw.sites select * from raw.sites",
        "drop view raw.sites",
        "copy (select 1) to '{folder}/out.csv'",
        "explain analyze copy (select 1) to '{folder}/out.csv'",
        "attach '{folder}/other.db' as other",
        "set enable_external_access = true",
        "call pragma_version()",
        "install httpfs",
        "select 1; select 2",
        "",
        "-- nothing",
    ],
)
def test_only_a_single_query_is_run(branch: Branch, tmp_path: Path, sql: str) -> None:
    before = branch.head()
    with pytest.raises(InputError, match="only a single query"):
        branch.query(sql.format(folder=tmp_path))
    assert branch.head() == before
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path / "other.db").exists()


def test_what_a_query_may_not_or_cannot_do_is_told(branch: Branch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden")
    (tmp_path / "secret.csv").write_text("hidden\n1\n")
    for sql in (
        f"from read_text('{tmp_path}/secret')",
        f"from '{tmp_path}/secret.csv'",
        f"from glob('{tmp_path}/*')",
        "from read_csv('https://example.invalid/x.csv')",
        "selct 1",
        "from raw.no_such_table",
        "select 1/'x'",
    ):
        with pytest.raises(InputError, match="cannot be answered") as refused:
            branch.query(sql)
        assert "hidden" not in str(refused.value)
        assert branch.query("select 1 as one").to_pylist() == [{"one": 1}]  # and the next query works


def test_a_branch_that_is_being_written_or_gone_is_told(lakehouse: Lakehouse, branch: Branch) -> None:
    branch.refresh_views()
    environment = branch.dbt_environment()
    with (
        duckdb.connect(branch.dbt_folder() / environment["LAKEHOUSE_DUCKDB_PATH"]),
        pytest.raises(BranchError, match="another process is writing it"),
    ):
        branch.query("select 1")
    lakehouse.drop_branch(branch.name)
    with pytest.raises(BranchError, match="was removed"):
        branch.query("select 1")


def test_what_a_killed_writer_had_committed_is_part_of_the_version(lakehouse: Lakehouse) -> None:
    branch = lakehouse.open_branch("first", None)
    branch.refresh_views()
    before = branch.head()
    killed = started(write_and_die, branch.dbt_folder() / branch.dbt_environment()["LAKEHOUSE_DUCKDB_PATH"])
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert branch.head() != before
    assert branch.query("select x from marts.kept").to_pylist() == [{"x": 7}]
    lakehouse.promote("first", branch.head())
    assert not [path for path in branch.dbt_folder().iterdir() if path.suffix == ".wal"]
    assert lakehouse.at().query("select x from marts.kept").to_pylist() == [{"x": 7}]
    copy = lakehouse.open_branch("second", "first")
    assert copy.query("select x from marts.kept").to_pylist() == [{"x": 7}]
    assert copy.head() == lakehouse.at().head()


def test_a_branch_is_not_promoted_while_somebody_writes_it(lakehouse: Lakehouse) -> None:
    branch = lakehouse.open_branch("first", None)
    head = branch.head()
    release, ready = processes.Event(), processes.Event()
    database = branch.dbt_folder() / branch.dbt_environment()["LAKEHOUSE_DUCKDB_PATH"]
    writer = started(hold_open, database, ready, release)
    ready.wait()
    with pytest.raises(BranchError, match="another process is writing it"):
        lakehouse.promote("first", head)
    assert lakehouse.main_version() is None
    release.set()
    writer.join()
    lakehouse.promote("first", head)
    assert lakehouse.main_version() == "first"


def test_a_forked_process_makes_an_engine_of_its_own(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    assert branch.query("select 1 as one").num_rows == 1
    used: list[duckdb.DuckDBPyConnection] = []
    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda **options: used.append(connect(**options)) or used[-1])
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert branch.query("select 1 as one").num_rows == 1
    assert len(used) == 1


def test_extensions_are_linked_by_many_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def link() -> None:
        try:
            for _ in range(20):
                extension_directory(tmp_path)
        except BaseException as error:  # noqa: BLE001 (told below)
            failures.append(error)

    threads = [threading.Thread(target=link) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    linked = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert linked == {
        f"{name}.duckdb_extension" for name in ("avro", "httpfs", "iceberg", "postgres_scanner")
    }


def test_links_follow_a_moved_environment(tmp_path: Path) -> None:
    extension_directory(tmp_path)
    (link,) = tmp_path.rglob("iceberg.duckdb_extension")
    target = link.readlink()
    link.unlink()
    link.symlink_to("/no/such/environment/iceberg.duckdb_extension")
    extension_directory(tmp_path)
    assert link.readlink() == target


def test_only_signed_extensions_are_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linked = extension_directory(tmp_path / "first")
    (original,) = linked.rglob("avro.duckdb_extension")
    content = bytearray(original.read_bytes())
    content[1000] ^= 1
    forged = tmp_path / "avro.duckdb_extension"
    forged.write_bytes(content)
    monkeypatch.setattr("include.lakehouse.extensions._packaged", lambda _: forged)
    with pytest.raises(ServiceError, match=r"DuckDB refuses .*avro.*signature"):
        extension_directory(tmp_path / "second")
    assert not [path for path in (tmp_path / "second").rglob("*") if path.is_symlink()]


def test_a_missing_extension_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.lakehouse.extensions.find_spec", lambda _: None)
    with pytest.raises(ServiceError, match=r"duckdb-extension-avro==1\.5\.5"):
        extension_directory(tmp_path)
