"""What a build does: nothing new the second time, nothing wrong on an empty lake, and its tests do fail."""

# ruff: noqa: S608 - the names in these statements are of our own tables

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.dbt.glucose_lake import SINCE_EVER, Dbt, Raw, instant, opened, rows_of

TABLES = (
    "select schema_name, table_name from duckdb_tables()"
    " where database_name = 'lake' and schema_name <> 'raw' order by all"
)


@pytest.fixture(scope="module")
def empty_lake(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from nothing, unit tests included."""
    path = tmp_path_factory.mktemp("empty") / "lake.duckdb"
    Raw().write(path)
    result = dbt.build(path)
    unit_tests = [each for each in result.result if each.node.resource_type == "unit_test"]
    assert len(unit_tests) >= 64
    assert {each.status for each in unit_tests} == {"pass"}
    return path


def test_an_empty_lake_builds(empty_lake: Path) -> None:
    with opened(empty_lake) as connection:
        tables = connection.execute(TABLES).fetchall()
        assert len(tables) > 10
        for schema, table in tables:
            assert connection.execute(f"select count(*) from {schema}.{table}").fetchall() == [(0,)]


def test_a_second_build_changes_nothing(dbt: Dbt, lake: Path, lake_copy: Path, tmp_path: Path) -> None:
    before = shutil.copy(lake, tmp_path / "before.duckdb")
    dbt.build(lake_copy, "--exclude-resource-type", "unit_test", "test")
    assert_equal_tables(lake_copy, before)


def test_the_order_of_rows_changes_nothing(dbt: Dbt, lake: Path, lake_copy: Path, tmp_path: Path) -> None:
    """Not the last digit of a sum either: a run that is repeated gives what it gave."""
    before = shutil.copy(lake, tmp_path / "before.duckdb")
    with duckdb.connect(lake_copy) as connection:
        for schema, table in connection.execute(TABLES).fetchall():
            if schema == "silver":
                shuffled = f"select rows.* from {schema}.{table} as rows order by hash(rows)"
                connection.execute(f"create or replace table {schema}.{table} as {shuffled}")
    dbt.build(lake_copy, "--exclude-resource-type", "unit_test", "test", "--select", "gold", "marts")
    assert_equal_tables(lake_copy, before)


def assert_equal_tables(left: Path, right: Path) -> None:
    """Of two built lakes."""
    with duckdb.connect(left) as connection:
        connection.execute(f"attach '{right}' as other (read_only)")
        tables = connection.execute(TABLES).fetchall()
        assert len(tables) > 10
        for schema, table in tables:
            for one, another in (("lake", "other"), ("other", "lake")):
                difference = f"from {one}.{schema}.{table} except all from {another}.{schema}.{table}"
                assert connection.execute(difference).fetchall() == [], table


def test_the_demo_site_is_left_out_beside_real_ones(connection: duckdb.DuckDBPyConnection) -> None:
    for schema, table in connection.execute(TABLES).fetchall():
        columns = [row["column_name"] for row in rows_of(connection, f"describe {schema}.{table}")]
        if "site_id" in columns:
            query = f"select count(*) from {schema}.{table} where site_id = 'demo'"
            assert connection.execute(query).fetchall() == [(0,)], table


def test_what_is_no_reading_is_left_out(connection: duckdb.DuckDBPyConnection) -> None:
    query = "select entry_id from lake.silver.fct_glucose_readings where site_id = 'faults' order by 1"
    assert [row["entry_id"] for row in rows_of(connection, query)] == [
        "limit-2",
        "limit-3",
        "limit-4",
        "too late",
    ]


def test_a_broken_document_costs_its_own_field_only(connection: duckdb.DuckDBPyConnection) -> None:
    query = (
        "select medication_id, medication_name, dose_units from lake.silver.fct_medications"
        " where site_id = 'faults'"
    )
    assert rows_of(connection, query) == [
        {"medication_id": "broken", "medication_name": "Insulin", "dose_units": 2.0}
    ]


def test_a_lone_demo_site_is_shown(dbt: Dbt, tmp_path: Path) -> None:
    raw = Raw()
    raw.site("demo", ("Etc/UTC", SINCE_EVER, None), through="2024-01-02", is_demo=True)
    raw.entry("demo", "simulated", instant("2024-01-01 12:00"), 100)
    raw.write(tmp_path / "lake.duckdb")
    models = ["stg_sites", "dim_sites", "stg_glucose_entries", "int_slot_readings"]
    dbt.build(tmp_path / "lake.duckdb", "--exclude-resource-type", "unit_test", "test", "--select", *models)
    with opened(tmp_path / "lake.duckdb") as connection:
        query = "select site_id, is_demo from gold.dim_sites"
        assert rows_of(connection, query) == [{"site_id": "demo", "is_demo": True}]
        query = "select site_id, entry_id from silver.int_slot_readings"
        assert rows_of(connection, query) == [{"site_id": "demo", "entry_id": "simulated"}]


def test_amounts_beyond_reason_stop_nobody(dbt: Dbt, tmp_path: Path) -> None:
    """What one uploader got wrong is no reason for the other sites to wait."""
    raw = Raw()
    raw.site("extreme", ("Etc/UTC", SINCE_EVER, None), through="2024-01-04")
    raw.entry("extreme", "reading", instant("2024-01-01 12:00"), 100)
    raw.treatment(
        "extreme", "none", instant("2024-01-02 09:00"), event_type="Bolus", insulin=1e-20, carbs=1e-20
    )
    for number, units in enumerate((0.1, 999_999.7, 333_333.3)):
        at = instant(f"2024-01-01 0{number}:00")
        raw.treatment("extreme", f"bolus {number}", at, event_type="Bolus", insulin=units)
    flood = {"absolute": 900_000.3, "duration_minutes": 1440.0}
    raw.treatment("extreme", "flood", instant("2024-01-01 07:07"), event_type="Temp Basal", **flood)
    raw.write(tmp_path / "lake.duckdb")
    dbt.build(tmp_path / "lake.duckdb", "--exclude-resource-type", "unit_test")
    with opened(tmp_path / "lake.duckdb") as connection:
        query = "select total_insulin_units > 1e7 as is_flood, bolus_count from marts.mrt_treatments_daily"
        assert rows_of(connection, f"{query} order by treatment_date")[:2] == [
            {"is_flood": True, "bolus_count": 3},
            {"is_flood": False, "bolus_count": 1},
        ]


def test_every_data_test_can_fail(dbt: Dbt, lake_copy: Path) -> None:
    """All tables doubled, a reading and a day of nowhere added: no test may still pass."""
    with duckdb.connect(lake_copy) as connection:
        connection.execute("insert into silver.fct_glucose_readings by name select 'nowhere' as site_id")
        connection.execute(
            "insert into gold.fct_daily_glucose_metrics by name select 'nowhere' as site_id,"
            " date '1999-01-01' as reading_date"
        )
        for schema, table in [
            *connection.execute(TABLES).fetchall(),
            ("raw", "glucose_entries"),
            ("raw", "profiles"),
            ("raw", "device_status"),
        ]:
            connection.execute(f"insert into {schema}.{table} from {schema}.{table}")
        for table in ("sites", "treatments", "treatments"):
            connection.execute(f"insert into raw.{table} from raw.{table}")
    result = dbt.run("test", "--exclude-resource-type", "unit_test", lake=lake_copy)
    assert {each.node.name for each in result.result if each.status != "fail"} == set()
    assert len(result.result) >= 23


@pytest.mark.parametrize(("age_hours", "status"), [(1, "pass"), (3, "warn"), (25, "error")])
def test_freshness_is_the_last_successful_read(dbt: Dbt, tmp_path: Path, age_hours: int, status: str) -> None:
    now = datetime.now(UTC)
    raw = Raw()
    for collection in ("entries", "treatments", "profile"):
        raw.outcome("home", collection, "2024-01-01", fetched_at=now - timedelta(hours=age_hours))
        raw.outcome("home", collection, "2024-01-01", fetched_at=now, status="failed")
        raw.outcome("home", collection, "2024-01-01", fetched_at=now, kind="look_up")
    raw.write(tmp_path / "lake.duckdb")
    result = dbt.run("source", "freshness", lake=tmp_path / "lake.duckdb")
    found = {each.node.name: str(each.status) for each in result.result}
    assert found == {
        "glucose_entries": status,
        "treatments": status,
        "profiles": status,
    }
