"""Real Nightscout exports: duplicates of several uploaders, local days, treatments of a pump."""

from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest

from tests.dbt.conftest import ZONES_OF_EXPORTS
from tests.dbt.glucose_lake import Row, by_key, export, instant, oracle, rows_of


def test_slot_rule_equals_the_oracle(connection: duckdb.DuckDBPyConnection, test_data: Path) -> None:
    query = """
        select
            site_id, count(*) as n, avg(glucose_mg_dl) as mean, stddev_samp(glucose_mg_dl) as sd,
            100 * avg(is_in_range) as tir, 100 * avg(cast(glucose_mg_dl < 70 as int)) as tbr,
            100 * avg(cast(glucose_mg_dl > 180 as int)) as tar
        from lake.silver.fct_glucose_readings group by site_id
    """
    found = by_key(rows_of(connection, query), "site_id")
    expected = [row for row in oracle(test_data, "nsreal_dedup") if row["rule"] == "5min_slot"]
    assert {row["file"] for row in expected} == set(ZONES_OF_EXPORTS)
    for row in expected:
        kept = found[(row["file"],)]
        assert kept["n"] == int(row["n"])
        for name in ("mean", "sd", "tir", "tbr", "tar"):
            assert kept[name] == pytest.approx(float(row[name]), abs=1e-4), (row["file"], name)


def test_local_days_equal_the_oracle(connection: duckdb.DuckDBPyConnection, test_data: Path) -> None:
    query = "select * from lake.gold.fct_daily_glucose_metrics"
    found = by_key(rows_of(connection, query), "site_id", "reading_date")
    expected = oracle(test_data, "nsreal_daily_local")
    assert {(row["file"], row["tz"]) for row in expected} == set(ZONES_OF_EXPORTS.items())
    of_exports = {key for key in found if key[0] in ZONES_OF_EXPORTS}
    assert of_exports == {(row["file"], date.fromisoformat(row["local_date"])) for row in expected}
    for row in expected:
        day = found[row["file"], date.fromisoformat(row["local_date"])]
        assert day["reading_count"] == int(row["n_slot"])
        for ours, theirs in {
            "avg_glucose_mg_dl": "mean",
            "stddev_glucose_mg_dl": "sd_sample",
            "time_below_range_pct": "tbr_lt70",
            "time_in_range_pct": "tir_70_180",
            "time_above_range_pct": "tar_gt180",
        }.items():
            assert day[ours] == pytest.approx(float(row[theirs]), abs=1e-6), (row["file"], ours)


def test_treatments_are_kept_once(connection: duckdb.DuckDBPyConnection, test_data: Path) -> None:
    for site_id in ZONES_OF_EXPORTS:
        identities = Counter(
            (
                each["created_at"],
                *(
                    each.get(name)
                    for name in ("eventType", "insulin", "carbs", "absolute", "rate", "duration")
                ),
            )
            for each in export(test_data, site_id, "treatments")
        )
        found = rows_of(connection, "select * from lake.silver.fct_treatments where site_id = ?", [site_id])
        assert len(found) == len(identities)
        assert sum(row["duplicate_count"] for row in found) == identities.total() - len(identities)


def test_insulin_given_equals_the_export(connection: duckdb.DuckDBPyConnection, test_data: Path) -> None:
    query = (
        "select site_id, count(*) as n, sum(dose_units) as units from lake.silver.fct_medications group by 1"
    )
    found = by_key(rows_of(connection, query), "site_id")
    for site_id in ZONES_OF_EXPORTS:
        doses = [
            each["insulin"] for each in unique(export(test_data, site_id, "treatments")) if each["insulin"]
        ]
        assert found[(site_id,)]["n"] == len(doses)
        assert found[(site_id,)]["units"] == pytest.approx(sum(doses))


def test_basal_insulin_never_overlaps(connection: duckdb.DuckDBPyConnection, test_data: Path) -> None:
    """Played second by second: at each moment the temporary basal that started last is in force."""
    query = "select site_id, sum(basal_units) as units from lake.silver.fct_treatments group by 1"
    found = by_key(rows_of(connection, query), "site_id")
    compared = 0
    for site_id in ZONES_OF_EXPORTS:
        basals = sorted(
            (instant(each["created_at"]).timestamp(), each["duration"] * 60, each["absolute"])
            for each in unique(export(test_data, site_id, "treatments"))
            if each["eventType"] == "Temp Basal"
        )
        units = 0.0
        for number, (start, seconds, rate) in enumerate(basals):
            following = basals[number + 1][0] if number + 1 < len(basals) else float("inf")
            units += rate * (min(start + seconds, following) - start) / 3600
        if basals:
            assert found[(site_id,)]["units"] == pytest.approx(units, abs=1e-9)
            compared += 1
    assert compared == 4


def test_scheduled_basal_equals_the_export(connection: duckdb.DuckDBPyConnection, test_data: Path) -> None:
    query = "select * from lake.bronze.stg_profiles"
    found = by_key(rows_of(connection, query), "site_id", "profile_id", "segment_start_seconds")
    expected = {
        (site_id, profile["_id"], segment["timeAsSeconds"]): segment["value"]
        for site_id in ZONES_OF_EXPORTS
        for profile in export(test_data, site_id, "profile")
        for segment in profile["store"]["Default"]["basal"]
    }
    assert {key: row["basal_units_per_hour"] for key, row in found.items()} == expected
    (japan,) = {row["zone"] for (site_id, *_), row in found.items() if site_id == "patient_j"}
    assert japan == "Japan"


def unique(treatments: list[Row]) -> list[Row]:
    names = ("created_at", "eventType", "insulin", "carbs", "absolute", "rate", "duration")
    return list({tuple(each.get(name) for name in names): each for each in treatments}.values())
