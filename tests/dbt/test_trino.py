"""The SQL compiled for Trino, without a server: valid there, and the same numbers when DuckDB plays Trino."""

# ruff: noqa: S608 - the names in these statements are of our own tables

import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
import trino_sql_validator

from tests.dbt.glucose_lake import PROJECT, Dbt

pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence")  # in a macro of dbt-trino

MODELS = sorted(path.stem for path in (PROJECT / "models").rglob("*.sql"))
STEPS = sorted(path.stem for path in (PROJECT / "models").glob("*/steps/*.sql"))
# Trino's functions in DuckDB's words
EMULATION = """
    create macro at_timezone(instant, zone) as timezone(zone, instant);
    create macro date_add(unit, units, instant) as instant + to_milliseconds(units);
    create macro date_diff(unit, since, until) as
        case when unit = 'millisecond' then epoch_ms(until) - epoch_ms(since)
        else date_sub(unit, since, until) end;
    create macro day_of_week(day) as isodow(day);
    create macro element_at(items, place) as items[place];
    create macro format_datetime(day, format) as
        case format when 'EEEE' then dayname(day) when 'MMMM' then monthname(day) end;
    create macro from_unixtime(seconds, zone) as to_timestamp(seconds);
    create macro json_extract_scalar(document, path) as
        case when json_valid(document) then json_extract_string(document, path) end;
    create macro json_parse(document) as cast(document as json);
    create macro sequence
        (first, last) as generate_series(first, last),
        (first, last, step) as generate_series(first, last, step);
    create macro to_unixtime(instant) as epoch(instant);
    create macro with_timezone(wall, zone) as timezone(zone, wall);
"""


@pytest.fixture(scope="module")
def trino(dbt: Dbt) -> Path:
    """Folder of the manifest and the compiled SQL."""
    result = dbt.run("compile", "--no-introspect", "--no-populate-cache", target="trino")
    assert result.success, result.exception
    return dbt.home / "trino"


def order_of(trino: Path) -> list[tuple[str, str]]:
    """(schema, model) of every table, such that each comes after what it reads."""
    nodes = json.loads((trino / "manifest.json").read_text())["nodes"]
    models = {key: node for key, node in nodes.items() if node["resource_type"] == "model"}
    ordered: list[str] = []
    while len(ordered) < len(models):
        ready = [
            key
            for key, node in models.items()
            if key not in ordered
            and all(need in ordered for need in node["depends_on"]["nodes"] if need in models)
        ]
        assert ready
        ordered += ready
    return [(models[key]["schema"], models[key]["name"]) for key in ordered if is_table(models[key])]


def is_table(node: dict[str, Any]) -> bool:
    return bool(node["config"]["materialized"] == "table")


def test_every_statement_is_valid(trino: Path) -> None:
    statements = sorted((trino / "compiled" / "glucose").rglob("*.sql"))
    names = {path.stem for path in statements if path.parent.name != "unit_tests"}
    assert set(MODELS) <= names
    assert len(statements) > len(MODELS)  # the data tests run there, too
    for path in statements:
        checked = trino_sql_validator.validate(path.read_text())
        assert checked.valid, (path.name, checked)
        assert not checked.warnings, (path.name, checked.warnings)


def test_no_view_reaches_a_catalog_of_branches(trino: Path) -> None:
    nodes = json.loads((trino / "manifest.json").read_text())["nodes"].values()
    models = [node for node in nodes if node["resource_type"] == "model"]
    assert {node["config"]["on_table_exists"] for node in models} == {"replace"}
    assert sorted(node["name"] for node in models if is_table(node)) == sorted({*MODELS} - {*STEPS})


def test_a_step_is_part_of_the_one_statement_that_reads_it(trino: Path) -> None:
    nodes = json.loads((trino / "manifest.json").read_text())["nodes"]
    models = {key: node for key, node in nodes.items() if node["resource_type"] == "model"}
    readers = {
        node["name"]: [reader["name"] for reader in models.values() if key in reader["depends_on"]["nodes"]]
        for key, node in models.items()
    }
    steps = {node["name"] for node in models.values() if node["config"]["materialized"] == "ephemeral"}
    assert sorted(steps) == STEPS
    for step in STEPS:
        (reader,) = readers[step]
        (path,) = (PROJECT / "models").rglob(f"{reader}.sql")
        before, after = path.read_text().split(f"ref('{step}')")  # named once
        name = re.findall(r"(\w+) as \(", before)[-1]
        assert len(re.findall(rf"\b(?:from|join) {name}\b", after)) <= 1, step


def test_the_same_rows_as_on_duckdb(dbt: Dbt, trino: Path, lake: Path, tmp_path: Path) -> None:
    native = shutil.copy(lake, tmp_path / "native.duckdb")
    emulated = shutil.copy(lake, tmp_path / "lake.duckdb")
    order = order_of(trino)
    assert sorted(model for _, model in order) == sorted({*MODELS} - {*STEPS})
    with duckdb.connect(emulated) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for schema in {schema for schema, _ in order}:
            connection.execute(f"drop schema {schema} cascade; create schema {schema}")
        connection.execute(EMULATION)
        connection.execute(f"attach '{native}' as native (read_only)")
        for schema, model in order:
            sql = dbt.compiled(model, "trino").replace("timestamp(6)", "timestamp")
            sql = sql.replace(") ignore nulls", " ignore nulls)")
            sql = sql.replace("array(json)", "json[]")
            connection.execute(f"create table {schema}.{model} as {sql}")
        for schema, model in order:
            if schema == "bronze":
                continue  # views here, which read the lake they are in; what is built from them is compared
            columns = ", ".join(
                f"round({name}, 9) as {name}" if kind == "DOUBLE" else name
                for name, kind, *_ in connection.execute(f"describe {schema}.{model}").fetchall()
            )
            ours, theirs = (
                f"select {columns} from {database}.{schema}.{model}" for database in ("lake", "native")
            )
            (rows, kept), *_ = connection.execute(
                f"select (select count(*) from ({theirs})), (select count(*) from ({ours}))"
            ).fetchall()
            assert rows == kept > 0, model
            for left, right in ((ours, theirs), (theirs, ours)):
                assert connection.execute(f"({left}) except all ({right})").fetchall() == [], model
