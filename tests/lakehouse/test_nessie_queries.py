"""Queries and copies of a lake on Nessie: exactly one state, the types of embedded, and no way to do harm."""

import re
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from include.errors import InputError, PublishError, ServiceError
from include.lakehouse import Branch, Lakehouse
from include.lakehouse.extensions import engine_configuration, extension_directory
from include.lakehouse.nessie.lakehouse import NessieLakehouse
from include.lakehouse.nessie.trino import PIPELINE, WORKING_CATALOG, Trino
from include.schemas import RAW_TABLES, arrow_schema
from include.serving.column_types import check_staged_types, published_types
from include.serving.postgres import Postgres, ensure
from include.settings import PROJECT, Settings
from include.stack.connection import lake_connection
from tests.free_ports import free_port
from tests.lakehouse.both import on_nessie
from tests.lakehouse.raw_rows import entry, frame, merge
from tests.lakehouse.test_versions import grow, promoted

# ruff: noqa: S608 - the names in these statements are of our own tables

pytestmark = on_nessie

MARCH = datetime(2025, 3, 10, 12, tzinfo=UTC)
STAGING = "publishing_of_a_test"
KINDS = """create table marts.kinds as select
    cast(7 as bigint) as a, cast(8 as integer) as b, 1.5e0 as c, true as d, date '2025-03-10' as e,
    cast('it''s' as varchar) as f, cast(null as varchar) as "order",
    cast(timestamp '2025-03-10 12:00:00.123456 UTC' as timestamp(6) with time zone) as g,
    cast(timestamp '2025-03-10 13:00:00' as timestamp(6)) as h, nan() as i"""

Build = Callable[..., None]


@pytest.fixture
def build(stack: Settings) -> Build:
    """Change the open branch as dbt does."""

    def run(*statements: str) -> None:
        trino = Trino(stack.lakehouse_trino_port)
        for statement in statements:
            trino.rows(statement, WORKING_CATALOG, user=PIPELINE)

    return run


@pytest.fixture
def postgres(stack: Settings) -> Postgres:
    postgres = ensure(stack)
    with postgres.transaction() as connection:
        connection.execute(f"drop schema if exists {STAGING} cascade")
        connection.execute(f"create schema {STAGING}")
    return postgres


def test_empty_tables_have_the_columns_of_their_contracts(branch: Branch) -> None:
    branch.refresh_views()
    head = branch.head()
    for name, contract in RAW_TABLES.items():
        rows = branch.query(f"from raw.{name}")
        assert rows.num_rows == 0
        assert rows.column_names == arrow_schema(contract).names
    branch.refresh_views()
    assert branch.head() == head


def test_values_and_types(branch: Branch, build: Build) -> None:
    build(KINDS)
    rows = branch.query("select * from marts.kinds")
    zone = pa.timestamp("us", tz="UTC")
    types = [pa.int64(), pa.int32(), pa.float64(), pa.bool_(), pa.date32(), pa.string(), pa.string(), zone]
    assert rows.schema.types == [*types, pa.timestamp("us"), pa.float64()]
    (row,) = rows.to_pylist()
    assert str(row.pop("i")) == "nan"
    at = datetime(2025, 3, 10, 12, 0, 0, 123456, tzinfo=UTC)
    values = [7, 8, 1.5, True, date(2025, 3, 10), "it's", None, at]
    assert list(row.values()) == [*values, datetime(2025, 3, 10, 13)]  # noqa: DTZ001 (a wall clock)


def test_instants_are_utc_and_parameters_are_bound(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    merge(branch.table("glucose_entries"), frame([entry("a", datetime(2025, 3, 31, 23, 30, tzinfo=UTC))]))
    day = "select cast(reading_at as date) as day from raw.glucose_entries where _id = "
    assert branch.query(f"{day} ?", ["a"])["day"].to_pylist() == [date(2025, 3, 31)]
    assert branch.query(f"{day} $id", {"id": "a"})["day"].to_pylist() == [date(2025, 3, 31)]
    nested = "with found as (select 1 from RAW.glucose_entries) select count(*) as n from found, raw.sites"
    branch.refresh_views()
    assert branch.query(nested).to_pylist() == [{"n": 0}]


def test_a_person_asks_main_in_the_sql_of_trino_and_versions_in_that_of_duckdb(lakehouse: Lakehouse) -> None:
    for name in ("v1", "v2"):
        promoted(lakehouse, name)
    count = "select count(*) as n, {} as n from raw.glucose_entries"
    of_trino, of_duckdb = count.format("element_at(array[1], 1)"), count.format("list_sum([1])")
    assert lakehouse.ask(f"-- all of them\n ({of_trino});") == (["n", "n"], [(2, 1)])
    assert lakehouse.ask(of_duckdb, "v1") == (["n", "n"], [(1, 1)])
    with pytest.raises(InputError, match=r"cannot be answered: .*list_sum"):
        lakehouse.ask(of_duckdb)


@pytest.mark.parametrize(
    "sql",
    [
        f"drop table {WORKING_CATALOG}.raw.glucose_entries",
        f"insert into {WORKING_CATALOG}.raw.sites select * from raw.sites",
        f"explain analyze delete from {WORKING_CATALOG}.raw.glucose_entries",
        f"/* select */ delete from {WORKING_CATALOG}.raw.glucose_entries",
        "selected",
        "",
    ],
)
def test_a_person_can_change_nothing(lakehouse: Lakehouse, sql: str) -> None:
    promoted(lakehouse, "v1")
    with pytest.raises(InputError, match="only a single query"):
        lakehouse.ask(sql)


def test_an_answer_is_of_one_version(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    promoted(lakehouse, "v1")
    ask = Trino.ask

    def promoting_meanwhile(trino: Trino, sql: str, catalog: str) -> object:
        answer = ask(trino, sql, catalog)
        if lakehouse.main_version() == "v1":
            promoted(lakehouse, "v2")
        return answer

    monkeypatch.setattr(Trino, "ask", promoting_meanwhile)
    assert lakehouse.ask("select count(*) as n from raw.glucose_entries") == (["n"], [(2,)])


def test_large_results_come_in_parts(branch: Branch) -> None:
    parts = list(branch.query_batches("select range as n from range(10000)", rows=3000))
    assert [number for part in parts for number in part["n"].to_pylist()] == list(range(10000))
    assert len(parts) > 2


def test_a_version_stays_as_it_was(lakehouse: Lakehouse, build: Build) -> None:
    for number, name in enumerate(("v1", "v2")):
        branch = grow(lakehouse, name)
        build(f"create or replace table marts.made_by as select {number} as number")
        lakehouse.promote(name, branch.head())
    build("create or replace table marts.made_by as select 7 as number")  # a late query of the run
    shown = {ref: lakehouse.at(ref).query("from marts.made_by").to_pylist() for ref in ("v1", "v2", "main")}
    assert shown == {"v1": [{"number": 0}], "v2": [{"number": 1}], "main": [{"number": 1}]}


@pytest.mark.parametrize(
    "sql",
    [
        "create table raw.x as select 1",
        "insert into raw.sites select * from raw.sites",
        "copy (select 1) to '{folder}/out.csv'",
        "attach '{folder}/other.db' as other",
        "set enable_external_access = true",
        "install httpfs",
        "select 1; select 2",
        "",
    ],
)
def test_only_a_single_query_is_run(branch: Branch, tmp_path: Path, sql: str) -> None:
    with pytest.raises(InputError, match="only a single query"):
        branch.query(sql.format(folder=tmp_path))
    assert not list(tmp_path.glob("o*"))


def test_what_a_query_may_not_or_cannot_do_is_told(branch: Branch, stack: Settings, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden")
    lake = lake_connection(stack)
    for sql in (
        f"from read_text('{tmp_path}/secret')",
        f"from glob('{tmp_path}/*')",
        f"from read_csv('{lake.s3_endpoint}/x.csv')",
        f"from read_text('s3://{lake.bucket}-other/x')",
        "selct 1",
        "from raw.no_such_table",
        "select 1/'x'",
    ):
        with pytest.raises(InputError, match="cannot be answered") as refused:
            branch.query(sql)
        assert "hidden" not in str(refused.value)
        assert branch.query("select 1 as one").to_pylist() == [{"one": 1}]  # and the next query works
    told = str(branch.query("from duckdb_secrets()").to_pylist())
    assert lake.secret_access_key not in told


def test_models_reach_postgres(lakehouse: Lakehouse, build: Build, postgres: Postgres) -> None:
    branch = grow(lakehouse, "v1")
    build(KINDS, "create table gold.days as select n from unnest(sequence(1, 1000)) as t(n)")
    models = [("marts", "kinds"), ("gold", "days")]
    assert branch.copy_to_postgres(models, postgres.parameters, STAGING) == {"kinds": 1, "days": 1000}
    lakehouse.promote("v1", branch.head())
    main = lakehouse.at()
    for _ in range(2):  # a second try starts over
        assert main.copy_to_postgres(models, postgres.parameters, STAGING) == {"kinds": 1, "days": 1000}
    with postgres.transaction() as connection:
        (row,) = connection.execute(f"select * from {STAGING}.kinds").fetchall()
        types = connection.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = to_regclass(%s) and attnum > 0",
            [f"{STAGING}.kinds"],
        ).fetchall()
        assert connection.execute(f"select count(*), sum(n) from {STAGING}.days").fetchall() == [
            (1000, 500500)
        ]
    at = datetime(2025, 3, 10, 12, 0, 0, 123456, tzinfo=UTC)
    assert row[:8] == (7, 8, 1.5, True, date(2025, 3, 10), "it's", None, at)
    wanted = published_types("kinds", main.query("select * from marts.kinds limit 0").schema)
    check_staged_types("kinds", wanted, dict(types))


def test_what_cannot_be_copied_is_told(
    lakehouse: Lakehouse, build: Build, postgres: Postgres, stack: Settings, tmp_path: Path
) -> None:
    grow(lakehouse, "v1")
    build("create table marts.nested as select array[1, 2] as numbers")
    lakehouse.promote("v1", lakehouse.branch("v1").head())
    main = lakehouse.at()
    for model, said in (("nested", "Unsupported column type"), ("missing", "does not exist")):
        with pytest.raises(PublishError, match=f"readers keep the last ones.*{said}"):
            main.copy_to_postgres([("marts", model)], postgres.parameters, STAGING)
    trino = Trino(free_port())
    down = NessieLakehouse(lake_connection(stack), trino, tmp_path, tmp_path).at("main")
    with pytest.raises(PublishError, match=trino.address) as refused:
        down.copy_to_postgres([("marts", "nested")], postgres.parameters, STAGING)
    assert postgres.password not in "".join(traceback.format_exception(refused.value))
    promoted(lakehouse, "v2")
    with pytest.raises(PublishError, match="main moved"):
        main.copy_to_postgres([("marts", "nested")], postgres.parameters, STAGING)


def test_a_forked_process_makes_an_engine_of_its_own(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    branch.refresh_views()
    assert branch.query("from raw.sites").num_rows == 0
    used: list[duckdb.DuckDBPyConnection] = []
    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda **options: used.append(connect(**options)) or used[-1])
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert branch.query("from raw.sites").num_rows == 0
    assert len(used) == 1


def test_files_that_are_gone_are_told(lakehouse: Lakehouse, branch: Branch, stack: Settings) -> None:
    branch.refresh_views()
    reader = branch._services.reader  # type: ignore[attr-defined]
    gone = {"raw.sites": f"{lake_connection(stack).warehouse}/gone.metadata.json"}
    with pytest.raises(ServiceError, match="has the lake's files"):
        list(reader.tables(gone, "from raw.sites", (), 10))


@pytest.mark.parametrize(
    ("number", "reference"),
    [(0, "main"), (1, "main"), (1, "v1"), (1, "idea")],
    ids=["duckdb", "pyiceberg", "pyiceberg at a version", "pyiceberg on a branch"],
)
def test_the_snippets_of_the_page_read_the_lake(
    lakehouse: Lakehouse,
    stack: Settings,
    number: int,
    reference: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As they stand; but DuckDB takes its extensions from where ours are, since there may be no internet."""
    promoted(lakehouse, "v1")
    promoted(lakehouse, "v2")
    lakehouse.create_branch("idea")
    configuration = engine_configuration(extension_directory(stack.lakehouse_home))
    monkeypatch.setattr("duckdb.connect", partial(duckdb.connect, config=configuration))
    page = (PROJECT / "docs" / "the-lake-on-trino.md").read_text()
    snippet = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[number]
    lake = lake_connection(stack)
    names = {
        "REFERENCE": reference,
        "NESSIE": lake.nessie_uri,
        "S3_HOST_AND_PORT": lake.s3_endpoint.removeprefix("http://"),
        "KEY_ID": lake.access_key_id,
        "SECRET_KEY": lake.secret_access_key,
    }
    exec(snippet, names)  # noqa: S102 (it is our own)
    assert capsys.readouterr().out.strip("[](),\n") == ("1" if reference == "v1" else "2")
