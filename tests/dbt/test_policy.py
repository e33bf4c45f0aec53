"""What every model must have: a grain, described columns, a tested key; published ones a contract besides."""

import re
from typing import Any

import duckdb
import pytest
import yaml

from tests.dbt.glucose_lake import PROJECT, Dbt

LAYERS = {
    "bronze": {"stg_glucose_entries", "stg_treatments", "stg_sites"},
    "silver": {
        "int_site_data_through",
        "int_slot_readings",
        "int_local_quarter_hours",
        "int_local_days",
        "int_unique_treatments",
        "fct_glucose_readings",
        "fct_treatments",
        "fct_medications",
    },
    "gold": {
        "dim_date",
        "dim_sites",
        "fct_daily_glucose_metrics",
        "mrt_glucose_readings",
        "int_glucose_runs",
        "fct_glucose_events",
        "int_trailing_glucose",
    },
    "marts": {"mrt_glucose_overview", "mrt_glucose_hourly_patterns"},
}
PRIMARY_KEYS = {
    "dim_date": ["date_day"],
    "dim_sites": ["site_id", "valid_from"],
    "fct_daily_glucose_metrics": ["site_id", "reading_date"],
    "mrt_glucose_readings": ["site_id", "reading_date", "hour_of_day"],
    "mrt_glucose_overview": ["site_id", "reading_date"],
    "mrt_glucose_hourly_patterns": ["site_id", "day_of_week", "hour_of_day"],
}
COLUMNS = {
    "fct_glucose_readings": (
        "entry_id site_id slot_start reading_timestamp reading_timestamp_local reading_date hour_of_day"
        " day_of_week day_name glucose_mg_dl glucose_category is_in_range glucose_change_mg_dl"
        " minutes_since_last_reading rate_mg_dl_per_minute direction device is_clipped"
    ),
    "fct_daily_glucose_metrics": (
        "site_id reading_date day_name reading_count expected_count coverage_pct is_sufficient"
        " avg_glucose_mg_dl median_glucose_mg_dl min_glucose_mg_dl max_glucose_mg_dl stddev_glucose_mg_dl"
        " cv_pct time_below_54_pct time_54_69_pct time_below_range_pct time_in_range_pct"
        " time_in_tight_range_pct time_above_range_pct time_181_250_pct time_above_250_pct p05_mg_dl"
        " p25_mg_dl p75_mg_dl p95_mg_dl lbgi hbgi gri j_index"
    ),
    "mrt_glucose_readings": (
        "site_id reading_date hour_of_day reading_count avg_glucose_mg_dl min_glucose_mg_dl"
        " max_glucose_mg_dl time_in_range_pct hypoglycemia_count in_range_count hyperglycemia_mild_count"
        " hyperglycemia_severe_count"
    ),
    "mrt_glucose_overview": (
        "site_id reading_date day_name reading_count expected_count coverage_pct is_sufficient"
        " avg_glucose_mg_dl min_glucose_mg_dl max_glucose_mg_dl stddev_glucose_mg_dl cv_pct"
        " time_in_range_pct time_below_range_pct time_above_range_pct time_below_54_pct time_above_250_pct"
        " avg_glucose_7d_mg_dl time_in_range_7d_pct time_in_range_14d_pct time_in_range_30d_pct"
        " estimated_a1c_pct estimated_a1c_coverage_pct estimated_a1c_7d_avg diabetes_management_rating"
        " day_status"
    ),
    "mrt_glucose_hourly_patterns": (
        "site_id day_of_week day_name hour_of_day reading_count avg_glucose_mg_dl median_glucose_mg_dl"
        " stddev_glucose_mg_dl time_in_range_pct time_below_range_pct time_above_range_pct"
    ),
}
TYPES = {"VARCHAR", "DOUBLE", "BIGINT", "INTEGER", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}


@pytest.fixture(scope="module")
def models(dbt: Dbt) -> dict[str, Any]:
    nodes = dbt.parse().nodes.values()
    return {node.name: node for node in nodes if node.resource_type == "model"}


def columns_of(connection: duckdb.DuckDBPyConnection, model: Any) -> dict[str, str]:
    described = connection.execute(f"describe lake.{model.schema}.{model.name}").fetchall()
    return {name: kind for name, kind, *_ in described}


def test_the_models_by_layer(models: dict[str, Any]) -> None:
    found: dict[str, set[str]] = {}
    for name, model in models.items():
        assert model.schema == model.fqn[1], name
        found.setdefault(model.schema, set()).add(name)
    assert found == LAYERS


def test_every_model_and_column_is_described(
    models: dict[str, Any], connection: duckdb.DuckDBPyConnection
) -> None:
    for name, model in models.items():
        assert model.description.startswith("One row per "), name
        assert model.patch_path.endswith(f"/{name}.yml"), name
        found = columns_of(connection, model)
        assert list(model.columns) == list(found), name
        assert set(found.values()) <= TYPES, name
        for column in model.columns.values():
            assert column.description.strip(), (name, column.name)
            units = {
                "_mg_dl": "mg/dL",
                "_pct": "ercent",
                "_minutes": "inutes",
                "_grams": "grams",
                "_units": "units",
            }
            for suffix, unit in units.items():
                if column.name.endswith(suffix):
                    assert unit in column.description, (name, column.name)


def test_columns_are_those_of_the_design(
    models: dict[str, Any], connection: duckdb.DuckDBPyConnection
) -> None:
    for name, columns in COLUMNS.items():
        assert list(columns_of(connection, models[name])) == columns.split(), name


def test_group_and_access(models: dict[str, Any]) -> None:
    assert {model.group for model in models.values()} == {"glucose"}
    assert {name for name, model in models.items() if model.access == "public"} == set(PRIMARY_KEYS)
    assert {model.access for model in models.values()} == {"public", "protected"}


def test_published_models(models: dict[str, Any]) -> None:
    published = {name: model for name, model in models.items() if "published" in model.tags}
    assert {name: model.config.meta["primary_key"] for name, model in published.items()} == PRIMARY_KEYS
    for name, model in published.items():
        assert model.contract.enforced, name
        required = [column.name for column in model.columns.values() if column.constraints]
        assert required == PRIMARY_KEYS[name], name
        assert all(column.data_type for column in model.columns.values()), name
        for index in model.config.meta.get("indexes", []):
            assert set(index) <= set(model.columns), name


def test_every_key_is_tested(dbt: Dbt, models: dict[str, Any]) -> None:
    tests = [node for node in dbt.parse().nodes.values() if node.resource_type == "test"]
    keys = {
        test.attached_node: test.test_metadata.kwargs["key"]
        for test in tests
        if getattr(test, "test_metadata", None) and test.test_metadata.name == "sound_rows"
    }
    assert set(keys) == {model.unique_id for model in models.values()}
    for name, key in PRIMARY_KEYS.items():
        assert keys[models[name].unique_id] == key
    assert {test.config.severity for test in tests} == {"ERROR"}


def test_every_model_has_unit_tests(dbt: Dbt, models: dict[str, Any]) -> None:
    assert {test.model for test in dbt.parse().unit_tests.values()} == set(models)


def test_exposures_name_everything_published(dbt: Dbt, models: dict[str, Any]) -> None:
    (exposure,) = dbt.parse().exposures.values()
    assert set(exposure.depends_on.nodes) == {models[name].unique_id for name in PRIMARY_KEYS}


def test_sources(dbt: Dbt) -> None:
    sources = {source.name: source for source in dbt.parse().sources.values()}
    assert set(sources) == {"glucose_entries", "treatments", "ingest_outcomes", "sites"}
    for source in sources.values():
        assert source.description
        assert (source.database, source.schema) == ("lake", "raw")
    for name in ("glucose_entries", "treatments"):
        freshness = sources[name].freshness
        assert (freshness.warn_after.count, freshness.error_after.count) == (2, 24)
        assert freshness.warn_after.period == freshness.error_after.period == "hour"


def test_macros_are_documented_one_a_file() -> None:
    documented = {
        macro["name"]: [argument["name"] for argument in macro["arguments"]]
        for macro in yaml.safe_load((PROJECT / "macros" / "macros.yml").read_text())["macros"]
    }
    generic = documented.pop("test_sound_rows")
    assert generic == ["model", "key", "required", "conditions"]
    found = {}
    for path in (PROJECT / "macros").glob("*.sql"):
        signatures = dict(re.findall(r"{% macro (\w+)\((.*?)\)", path.read_text()))
        found[path.stem] = signatures.pop(path.stem).split(", ")
        assert set(signatures) in ({f"duckdb__{path.stem}", f"trino__{path.stem}"}, set()), path.stem
    assert documented == found


def test_sql_has_no_clock_no_variable_and_is_short() -> None:
    models = sorted((PROJECT / "models").rglob("*.sql"))
    assert len(models) == sum(map(len, LAYERS.values()))
    for path in models:
        text = path.read_text()
        assert len(text.splitlines()) <= 100, path.name
        assert not re.search(r"\b(now|current_\w+|localtime\w*|today|var|env_var)\b", text), path.name
