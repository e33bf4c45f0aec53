"""What every model must have: a grain, described columns, a tested key; published ones a contract besides."""

import re
from typing import Any

import duckdb
import pytest
import yaml

from tests.dbt.glucose_lake import PROJECT, Dbt
from tests.report.published import READ

LAYERS = {
    "bronze": {
        "stg_glucose_entries",
        "stg_treatments",
        "int_carb_equivalents",
        "stg_profiles",
        "stg_device_status",
        "stg_profile_switches",
        "stg_sites",
        "stg_received_entries",
    },
    "silver": {
        "int_site_data_through",
        "int_slot_readings",
        "int_local_quarter_hours",
        "int_local_days",
        "int_site_spans",
        "int_treatment_days",
        "int_unique_treatments",
        "fct_glucose_readings",
        "fct_treatments",
        "fct_medications",
        "int_day_reads",
        "int_received_days",
        "int_glucose_gaps",
    },
    "gold": {
        "dim_date",
        "dim_sites",
        "fct_daily_glucose_metrics",
        "mrt_glucose_readings",
        "int_glucose_runs",
        "fct_glucose_events",
        "int_trailing_glucose",
        "int_local_nights",
        "int_site_targets",
        "int_period_dates",
        "int_glucose_periods",
        "int_period_statistics",
        "int_period_events",
        "int_period_verdicts",
        "int_basal_schedules",
        "int_schedule_changes",
        "int_basal_changes",
        "int_basal_pieces",
        "int_daily_basal",
        "int_intakes",
        "int_intake_responses",
        "int_bolus_meals",
    },
    "marts": {
        "mrt_glucose_overview",
        "mrt_glucose_hourly_patterns",
        "mrt_glucose_periods",
        "mrt_glucose_agp",
        "mrt_glucose_recent",
        "mrt_glucose_events",
        "mrt_glucose_nights",
        "mrt_current_glucose",
        "mrt_data_quality",
        "mrt_medication_effectiveness",
        "mrt_meal_responses",
        "mrt_treatments_daily",
    },
}
PRIMARY_KEYS = {
    "dim_date": ["date_day"],
    "dim_sites": ["site_id", "valid_from"],
    "fct_daily_glucose_metrics": ["site_id", "reading_date"],
    "mrt_glucose_readings": ["site_id", "reading_date", "hour_of_day"],
    "mrt_glucose_overview": ["site_id", "reading_date"],
    "mrt_glucose_hourly_patterns": ["site_id", "day_of_week", "hour_of_day"],
    "mrt_glucose_periods": ["site_id", "period_days", "is_current"],
    "mrt_glucose_agp": ["site_id", "period_days", "bin_start_minute"],
    "mrt_glucose_recent": ["site_id", "slot_start"],
    "mrt_glucose_events": ["event_id"],
    "mrt_glucose_nights": ["site_id", "night_date"],
    "mrt_current_glucose": ["site_id"],
    "mrt_data_quality": ["site_id", "reading_date"],
    "mrt_medication_effectiveness": ["site_id", "medication_id"],
    "mrt_meal_responses": ["site_id", "meal_id"],
    "mrt_treatments_daily": ["site_id", "treatment_date"],
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
    "mrt_data_quality": (
        "site_id reading_date received_count kept_count duplicate_count excluded_count other_type_count"
        " deleted_count quarantined_count expected_count coverage_pct gap_count longest_gap_minutes"
        " device_count clipped_count late_count"
    ),
    "mrt_glucose_hourly_patterns": (
        "site_id day_of_week day_name hour_of_day reading_count avg_glucose_mg_dl median_glucose_mg_dl"
        " stddev_glucose_mg_dl time_in_range_pct time_below_range_pct time_above_range_pct"
    ),
    "mrt_glucose_periods": (
        "site_id period_days is_current period_start period_end day_count reading_count expected_count"
        " coverage_pct is_sufficient avg_glucose_mg_dl median_glucose_mg_dl min_glucose_mg_dl"
        " max_glucose_mg_dl stddev_glucose_mg_dl cv_pct time_below_54_pct time_54_69_pct"
        " time_below_range_pct time_in_range_pct time_in_tight_range_pct time_above_range_pct"
        " time_181_250_pct time_above_250_pct p05_mg_dl p25_mg_dl p75_mg_dl p95_mg_dl lbgi hbgi gri j_index"
        " gmi_pct time_below_target_range_pct time_in_target_range_pct time_above_target_range_pct"
        " low_event_count very_low_event_count high_event_count very_high_event_count target_set"
        " target_low_mg_dl target_high_mg_dl time_in_range_target_pct meets_time_in_range_target"
        " time_below_range_target_pct meets_time_below_range_target time_below_54_target_pct"
        " meets_time_below_54_target time_above_range_target_pct meets_time_above_range_target"
        " time_above_250_target_pct meets_time_above_250_target cv_target_pct meets_cv_target"
        " avg_glucose_change_mg_dl time_in_range_change_pct cv_change_pct"
    ),
    "mrt_glucose_agp": (
        "site_id period_days bin_start_minute reading_count p05_mg_dl p25_mg_dl p50_mg_dl p75_mg_dl"
        " p95_mg_dl is_sufficient"
    ),
    "mrt_glucose_recent": (
        "site_id slot_start reading_timestamp_local reading_date glucose_mg_dl glucose_category"
    ),
    "mrt_glucose_events": (
        "event_id site_id kind started_at ended_at started_at_local event_date duration_minutes"
        " extreme_glucose_mg_dl reading_count is_nocturnal"
    ),
    "mrt_glucose_nights": (
        "site_id night_date reading_count coverage_pct avg_glucose_mg_dl min_glucose_mg_dl"
        " stddev_glucose_mg_dl time_in_range_pct time_below_range_pct slope_mg_dl_per_hour dawn_rise_mg_dl"
    ),
    "mrt_current_glucose": (
        "site_id reading_timestamp reading_timestamp_local glucose_mg_dl direction glucose_change_mg_dl"
        " data_through"
    ),
    "mrt_medication_effectiveness": (
        "site_id medication_id medication_name dose_units administered_at administered_at_local"
        " medication_hour glucose_before_mg_dl glucose_after_mg_dl glucose_reduction_mg_dl nadir_mg_dl"
        " minutes_to_nadir is_clean after_reading_count"
    ),
    "mrt_meal_responses": (
        "site_id meal_id eaten_at eaten_at_local carbs_grams insulin_units glucose_before_mg_dl"
        " glucose_60m_mg_dl glucose_120m_mg_dl glucose_180m_mg_dl peak_mg_dl rise_mg_dl minutes_to_peak"
        " is_clean after_reading_count"
    ),
    "mrt_treatments_daily": (
        "site_id treatment_date day_name bolus_units basal_units total_insulin_units carbs_grams bolus_count"
        " meal_count bolus_manual_units bolus_correction_units bolus_automatic_units basal_temp_units"
        " basal_scheduled_units is_basal_complete carb_equivalent_grams"
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
    exposures = {exposure.name: set(exposure.depends_on.nodes) for exposure in dbt.parse().exposures.values()}
    assert exposures["published_tables"] == {models[name].unique_id for name in PRIMARY_KEYS}
    assert exposures["glucose_report"] == {models[name].unique_id for name in READ}


def test_sources(dbt: Dbt) -> None:
    sources = {source.name: source for source in dbt.parse().sources.values()}
    assert set(sources) == {
        "glucose_entries",
        "treatments",
        "profiles",
        "device_status",
        "ingest_outcomes",
        "quarantine",
        "sites",
    }
    for source in sources.values():
        assert source.description
        assert (source.database, source.schema) == ("lake", "raw")
    for name in ("glucose_entries", "treatments", "profiles"):
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
