"""Real CGM traces of five people through all layers, against oracles that other tools computed."""

from datetime import date, timedelta
from pathlib import Path
from statistics import mean, median, stdev

import duckdb
import numpy as np
import pytest

from tests.dbt.glucose_lake import Reading, Row, by_key, cgm_readings, oracle, rows_of

COLUMNS = {
    "reading_count": "n",
    "avg_glucose_mg_dl": "mean",
    "median_glucose_mg_dl": "median",
    "min_glucose_mg_dl": "min",
    "max_glucose_mg_dl": "max",
    "stddev_glucose_mg_dl": "sd_sample",
    "cv_pct": "cv_pct",
    "p05_mg_dl": "p05",
    "p25_mg_dl": "p25",
    "p75_mg_dl": "p75",
    "p95_mg_dl": "p95",
    "time_below_54_pct": "tbr_lt54",
    "time_54_69_pct": "tbr_54_69",
    "time_below_range_pct": "tbr_lt70",
    "time_in_range_pct": "tir_70_180",
    "time_in_tight_range_pct": "titr_70_140",
    "time_above_range_pct": "tar_gt180",
    "time_181_250_pct": "tar_181_250",
    "time_above_250_pct": "tar_gt250",
    "lbgi": "lbgi",
    "hbgi": "hbgi",
    "gri": "gri",
    "j_index": "j_index",
    "coverage_pct": "active_pct_slots",
}
# The only local days on which two readings share a slot: the oracles know no slots.
TOUCHED = {("subject_1", date(2015, 6, 13)), ("subject_5", date(2015, 3, 2))}


def slot_of(reading: Reading) -> int:
    return int(reading.at.timestamp() // 300)


@pytest.fixture(scope="module")
def kept(test_data: Path) -> dict[str, list[Reading]]:
    """The last reading of each slot, by site: what the slot rule leaves of a trace with one device."""
    slots: dict[tuple[str, int], Reading] = {}
    for reading in sorted(cgm_readings(test_data), key=lambda each: each.at):
        slots[reading.site_id, slot_of(reading)] = reading
    sites: dict[str, list[Reading]] = {}
    for reading in slots.values():
        sites.setdefault(reading.site_id, []).append(reading)
    return sites


@pytest.fixture(scope="module")
def dropped(test_data: Path, kept: dict[str, list[Reading]]) -> set[Reading]:
    return {each for each in cgm_readings(test_data) if each not in kept[each.site_id]}


@pytest.fixture(scope="module")
def days(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, date], Row]:
    query = "select * from lake.gold.fct_daily_glucose_metrics where site_id like 'subject%'"
    return by_key(rows_of(connection, query), "site_id", "reading_date")


def test_slots_drop_fourteen_readings(
    connection: duckdb.DuckDBPyConnection, kept: dict[str, list[Reading]], dropped: set[Reading]
) -> None:
    found = rows_of(
        connection,
        "select site_id, slot_start, reading_timestamp, glucose_mg_dl from lake.silver.fct_glucose_readings"
        " where site_id like 'subject%' order by 1, 2",
    )
    assert [(row["site_id"], row["reading_timestamp"], row["glucose_mg_dl"]) for row in found] == [
        (site_id, each.at, each.glucose_mg_dl) for site_id in sorted(kept) for each in kept[site_id]
    ]
    assert len(dropped) == 14
    assert {(each.site_id, each.at.date()) for each in dropped} == TOUCHED


def test_daily_metrics_equal_the_oracle(days: dict[tuple[str, date], Row], test_data: Path) -> None:
    expected = by_key(
        (
            row | {"site": row["id"].lower().replace(" ", "_"), "day": date.fromisoformat(row["local_date"])}
            for row in oracle(test_data, "daily_iglu5")
        ),
        "site",
        "day",
    )
    assert len(expected) == 60
    assert days.keys() == expected.keys()
    compared = 0
    for key in expected.keys() - TOUCHED:
        for ours, theirs in COLUMNS.items():
            wanted = float(expected[key][theirs]) if expected[key][theirs] else None
            assert days[key][ours] == (wanted if wanted is None else pytest.approx(wanted, abs=1e-6)), (
                key,
                ours,
            )
            compared += 1
    assert compared == 58 * len(COLUMNS)


def test_days_that_lost_readings_are_right_as_well(
    days: dict[tuple[str, date], Row], kept: dict[str, list[Reading]]
) -> None:
    for site_id, day in TOUCHED:
        values = [each.glucose_mg_dl for each in kept[site_id] if each.at.date() == day]
        risks = [1.509 * (np.log(value) ** 1.084 - 5.381) for value in values]
        found = days[site_id, day]
        wanted = {
            "reading_count": len(values),
            "coverage_pct": 100 * len(values) / 288,
            "avg_glucose_mg_dl": mean(values),
            "median_glucose_mg_dl": median(values),
            "stddev_glucose_mg_dl": stdev(values),
            "cv_pct": 100 * stdev(values) / mean(values),
            "time_in_range_pct": 100 * sum(70 <= value <= 180 for value in values) / len(values),
            "time_below_range_pct": 100 * sum(value < 70 for value in values) / len(values),
            "time_above_250_pct": 100 * sum(value > 250 for value in values) / len(values),
            "p05_mg_dl": float(np.quantile(values, 0.05)),
            "p95_mg_dl": float(np.quantile(values, 0.95)),
            "lbgi": 10 * mean(min(risk, 0) ** 2 for risk in risks),
            "hbgi": 10 * mean(max(risk, 0) ** 2 for risk in risks),
        }
        assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=1e-9)


def test_hourly_patterns(connection: duckdb.DuckDBPyConnection, kept: dict[str, list[Reading]]) -> None:
    query = "select * from lake.marts.mrt_glucose_hourly_patterns where site_id like 'subject%'"
    found = by_key(rows_of(connection, query), "site_id", "day_of_week", "hour_of_day")
    groups: dict[tuple[str, int, int], list[float]] = {}
    for site_id, readings in kept.items():
        for each in readings:
            groups.setdefault((site_id, each.at.isoweekday(), each.at.hour), []).append(each.glucose_mg_dl)
    assert found.keys() == groups.keys()
    for key, values in groups.items():
        row = found[key]
        assert row["day_name"] == (date(2024, 1, 1) + timedelta(key[1] - 1)).strftime("%A")
        assert row["reading_count"] == len(values)
        assert row["avg_glucose_mg_dl"] == pytest.approx(mean(values))
        assert row["median_glucose_mg_dl"] == pytest.approx(median(values))
        assert row["stddev_glucose_mg_dl"] == (pytest.approx(stdev(values)) if len(values) > 1 else None)
        assert row["time_in_range_pct"] == pytest.approx(100 * mean(70 <= value <= 180 for value in values))


def test_hours_equal_the_oracle_where_no_slot_was_shared(
    connection: duckdb.DuckDBPyConnection, test_data: Path, dropped: set[Reading]
) -> None:
    query = (
        "select site_id, hour_of_day, sum(reading_count) as reading_count,"
        " sum(avg_glucose_mg_dl * reading_count) / sum(reading_count) as avg_glucose_mg_dl,"
        " 100 * sum(in_range_count) / sum(reading_count) as time_in_range_pct"
        " from lake.gold.mrt_glucose_readings where site_id like 'subject%' group by all"
    )
    found = by_key(rows_of(connection, query), "site_id", "hour_of_day")
    shared = {(each.site_id, each.at.hour) for each in dropped}
    compared = 0
    for row in oracle(test_data, "hourly_iglu5"):
        key = (row["id"].lower().replace(" ", "_"), int(row["hour"]))
        if key in shared:
            continue
        assert found[key]["reading_count"] == int(row["n"])
        assert found[key]["avg_glucose_mg_dl"] == pytest.approx(float(row["mean"]), abs=1e-6)
        assert found[key]["time_in_range_pct"] == pytest.approx(float(row["tir"]), abs=1e-6)
        compared += 1
    assert compared == 120 - len(shared) == 110


def test_trailing_days_are_pooled(
    connection: duckdb.DuckDBPyConnection, kept: dict[str, list[Reading]]
) -> None:
    query = "select * from lake.marts.mrt_glucose_overview where site_id like 'subject%'"
    overview = by_key(rows_of(connection, query), "site_id", "reading_date")
    with_gmi = 0
    for (site_id, day), row in overview.items():
        trailing = {
            length: [
                each.glucose_mg_dl
                for each in kept[site_id]
                if day - timedelta(length) < each.at.date() <= day
            ]
            for length in (7, 14, 30)
        }
        assert row["avg_glucose_7d_mg_dl"] == (pytest.approx(mean(trailing[7])) if trailing[7] else None)
        for length, values in trailing.items():
            wanted = pytest.approx(100 * mean(70 <= value <= 180 for value in values)) if values else None
            assert row[f"time_in_range_{length}d_pct"] == wanted
        coverage = 100 * len(trailing[14]) / (14 * 288)
        assert row["estimated_a1c_coverage_pct"] == pytest.approx(coverage)
        gmi = 3.31 + 0.02392 * mean(trailing[14]) if coverage >= 70 else None
        assert row["estimated_a1c_pct"] == (pytest.approx(gmi) if gmi else None)
        with_gmi += gmi is not None
    assert with_gmi > 5


def test_every_day_has_a_row(connection: duckdb.DuckDBPyConnection, kept: dict[str, list[Reading]]) -> None:
    query = "select site_id, reading_date, reading_count from lake.marts.mrt_glucose_overview"
    overview = by_key(
        rows_of(connection, query + " where site_id like 'subject%'"), "site_id", "reading_date"
    )
    expected = {
        (site_id, day)
        for site_id, readings in kept.items()
        for day in all_days(readings[0].at.date(), readings[-1].at.date())
    }
    assert overview.keys() == expected
    assert sum(row["reading_count"] == 0 for row in overview.values()) > 0


def all_days(first: date, last: date) -> list[date]:
    return [first + timedelta(number) for number in range((last - first).days + 1)]
