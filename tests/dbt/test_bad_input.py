"""What people's data can be like at its worst: every mart is defined and right, and no number is none."""

# ruff: noqa: S608 - the names in these statements are of our own tables

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import duckdb
import pytest

from include.glucose import PERIOD_DAYS
from include.report.marts import read_site
from include.report.page import render
from include.schemas.audit import AUDITED_MODELS, check_frame
from include.serving.postgres import Postgres
from tests.dbt.glucose_lake import SINCE_EVER, Dbt, Raw, Row, by_key, instant, opened, rows_of
from tests.postgres_fixture import postgres, postgres_settings
from tests.report.published import PUBLISH, READ, fill, make_tables
from tests.report.read_page import Page

__all__ = ["postgres", "postgres_settings"]

THROUGH = "2024-06-30T10:00:00"
LAST_DAY = date(2024, 6, 29)
"""The last one that has ended at all of the sites; they live in UTC."""
SLOTS = 288
GMI_OF_39 = 3.31 + 0.02392 * 39
SITES = ("nothing", "single", "one_day", "hole", "meter", "lows", "peak", "lapsed", "late")
WITHOUT_READINGS = {"nothing", "meter"}


@pytest.fixture(scope="module")
def bad(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    raw = Raw()
    for site_id in SITES:
        raw.site(site_id, ("Etc/UTC", SINCE_EVER, None), through=THROUGH)
    raw.entry("single", "only", instant("2024-06-29 12:00"), 120, direction="Flat")
    raw.entry("meter", "pricked", instant("2024-06-29 12:00"), None, type="mbg", mbg=120.0)
    raw.entry("late", "newer than data_through", instant("2024-07-02 12:00"), 120)
    path = tmp_path_factory.mktemp("bad") / "lake.duckdb"
    raw.write(path)
    with duckdb.connect(path) as lake:
        lake.execute("set TimeZone = 'UTC'")
        read_every_5_minutes(lake, "one_day", "2024-06-29", "2024-06-30", "100 + number % 100")
        read_every_5_minutes(lake, "hole", "2024-05-01", "2024-05-15", "100 + number % 100")
        read_every_5_minutes(lake, "hole", "2024-06-16", "2024-06-30", "150 + number % 100")
        read_every_5_minutes(lake, "lows", "2024-06-16", "2024-06-30", "39")
        read_every_5_minutes(lake, "peak", "2024-06-29", "2024-06-30", "600")
        read_every_5_minutes(lake, "lapsed", "2022-06-01", "2024-05-31", "100 + number % 100")
    dbt.build(path, "--exclude-resource-type", "unit_test", "test")
    with opened(path) as connection:
        yield connection


def read_every_5_minutes(
    lake: duckdb.DuckDBPyConnection, site_id: str, first: str, end: str, glucose: str
) -> None:
    """Readings of the days from `first` to before `end`."""
    lake.execute(
        "insert into raw.glucose_entries by name"
        " select $site_id as site_id, cast(reading_at as varchar) as _id, 'sgv' as type, reading_at,"
        f" cast({glucose} as double) as sgv, 'Flat' as direction, '{{}}' as payload, 'hash' as content_hash,"
        " reading_at as first_seen_at, reading_at as ingested_at, 'run' as run_id"
        " from (select reading_at, row_number() over (order by reading_at) as number"
        " from unnest(generate_series($first, $end - interval 1 second, interval 5 minute))"
        " as slots (reading_at))",
        {"site_id": site_id, "first": instant(first), "end": instant(end)},
    )


@pytest.fixture(scope="module")
def periods(bad: duckdb.DuckDBPyConnection) -> dict[tuple[str, int, bool], Row]:
    query = "select * from marts.mrt_glucose_periods"
    return by_key(rows_of(bad, query), "site_id", "period_days", "is_current")  # type: ignore[return-value]


def profile(bad: duckdb.DuckDBPyConnection, site_id: str, length: int) -> list[Row]:
    query = (
        "select * exclude (site_id, period_days) from marts.mrt_glucose_agp"
        " where site_id = ? and period_days = ? order by bin_start_minute"
    )
    return rows_of(bad, query, [site_id, length])


def test_no_number_is_not_a_number(bad: duckdb.DuckDBPyConnection) -> None:
    columns = rows_of(
        bad,
        "select schema_name, table_name, column_name from duckdb_columns()"
        " where schema_name in ('silver', 'gold', 'marts') and data_type = 'DOUBLE'",
    )
    assert len(columns) > 100
    for each in columns:
        table, name = f"{each['schema_name']}.{each['table_name']}", each["column_name"]
        query = f"select count(*) from {table} where not isfinite({name})"
        assert bad.execute(query).fetchone() == (0,), (table, name)


@pytest.mark.parametrize("name", sorted(AUDITED_MODELS))
def test_the_audit_finds_no_error(dbt: Dbt, bad: duckdb.DuckDBPyConnection, name: str) -> None:
    (schema,) = (node.schema for node in dbt.parse().nodes.values() if node.name == name)
    frame = bad.sql(f"select * from {schema}.{name}").pl()
    assert [finding for finding in check_frame(name, frame) if finding.severity == "error"] == []


def test_sites_without_readings_have_no_glucose(bad: duckdb.DuckDBPyConnection) -> None:
    for table in ("periods", "agp", "recent", "events", "nights", "overview", "hourly_patterns"):
        found = rows_of(bad, f"select distinct site_id from marts.mrt_glucose_{table}")
        assert not {row["site_id"] for row in found} & WITHOUT_READINGS, table
    found = rows_of(bad, "select site_id from marts.mrt_current_glucose")
    assert {row["site_id"] for row in found} == set(SITES) - WITHOUT_READINGS


def test_every_period_ends_with_the_last_ended_day(periods: dict[tuple[str, int, bool], Row]) -> None:
    assert len(periods) == 12 * (len(SITES) - len(WITHOUT_READINGS))
    for (_, length, is_current), row in periods.items():
        end = LAST_DAY if is_current else LAST_DAY - timedelta(days=length)
        assert (row["period_start"], row["period_end"]) == (end - timedelta(days=length - 1), end)
        assert row["expected_count"] == SLOTS * length


def test_one_reading(bad: duckdb.DuckDBPyConnection, periods: dict[tuple[str, int, bool], Row]) -> None:
    for length in (7, 365):
        row = periods["single", length, True]
        assert (row["day_count"], row["reading_count"], row["is_sufficient"]) == (1, 1, False)
        assert row["coverage_pct"] == pytest.approx(100 / (SLOTS * length))
        assert row["avg_glucose_mg_dl"] == row["p05_mg_dl"] == row["p95_mg_dl"] == 120
        assert row["time_in_range_pct"] == row["time_in_target_range_pct"] == 100
        for name in ("stddev_glucose_mg_dl", "cv_pct", "j_index", "gmi_pct", "meets_time_in_range_target"):
            assert row[name] is None
        (only,) = profile(bad, "single", length)
        assert (only["bin_start_minute"], only["reading_count"], only["p50_mg_dl"]) == (720, 1, 120)
        assert not only["is_sufficient"]
    nights = rows_of(
        bad, "select * from marts.mrt_glucose_nights where site_id = 'single' order by night_date"
    )
    assert [(row["night_date"], row["reading_count"], row["slope_mg_dl_per_hour"]) for row in nights] == [
        (LAST_DAY, 0, None),
        (LAST_DAY + timedelta(days=1), 0, None),
    ]
    (last,) = rows_of(bad, "select * from marts.mrt_current_glucose where site_id = 'single'")
    assert (last["glucose_mg_dl"], last["glucose_change_mg_dl"]) == (120, None)
    assert rows_of(bad, "select * from marts.mrt_glucose_events where site_id = 'single'") == []


def test_a_period_without_readings(periods: dict[tuple[str, int, bool], Row]) -> None:
    row = periods["single", 14, False]
    assert (row["day_count"], row["reading_count"], row["coverage_pct"]) == (0, 0, 0)
    assert row["low_event_count"] == 0
    measured = [name for name in row if name.endswith(("glucose_mg_dl", "_pct")) and "target_pct" not in name]
    assert {row[name] for name in measured if name != "coverage_pct"} == {None}


def test_one_day(bad: duckdb.DuckDBPyConnection, periods: dict[tuple[str, int, bool], Row]) -> None:
    row = periods["one_day", 14, True]
    assert (row["day_count"], row["reading_count"]) == (1, SLOTS)
    assert row["coverage_pct"] == pytest.approx(100 / 14)
    assert (row["is_sufficient"], row["gmi_pct"]) == (False, None)
    bins = profile(bad, "one_day", 14)
    assert [each["reading_count"] for each in bins] == [3] * 96
    assert not any(each["is_sufficient"] for each in bins)


def test_a_hole_of_a_month(bad: duckdb.DuckDBPyConnection, periods: dict[tuple[str, int, bool], Row]) -> None:
    """14 days, a month without, 14 days."""
    whole, long = periods["hole", 14, True], periods["hole", 90, True]
    assert (whole["coverage_pct"], whole["is_sufficient"]) == (100, True)
    assert whole["gmi_pct"] == pytest.approx(3.31 + 0.02392 * whole["avg_glucose_mg_dl"])
    assert (periods["hole", 14, False]["reading_count"], whole["avg_glucose_change_mg_dl"]) == (0, None)
    assert long["coverage_pct"] == pytest.approx(100 * 28 / 90)
    assert (long["day_count"], long["gmi_pct"]) == (28, None)
    query = (
        "select count(*), sum(reading_count), max(coverage_pct) from marts.mrt_glucose_nights"
        " where site_id = 'hole'"
    )
    assert bad.execute(query).fetchone() == (61, 28 * 72, 100)


def test_all_readings_low(bad: duckdb.DuckDBPyConnection, periods: dict[tuple[str, int, bool], Row]) -> None:
    row = periods["lows", 14, True]
    assert (row["avg_glucose_mg_dl"], row["stddev_glucose_mg_dl"], row["cv_pct"]) == (39, 0, 0)
    assert (row["time_below_54_pct"], row["time_below_range_pct"], row["time_in_range_pct"]) == (100, 100, 0)
    assert row["gmi_pct"] == pytest.approx(GMI_OF_39)
    assert row["gri"] == 100
    assert (row["low_event_count"], row["very_low_event_count"], row["high_event_count"]) == (1, 1, 0)
    verdicts = {name: row[name] for name in row if name.startswith("meets_")}
    assert verdicts == {
        "meets_time_in_range_target": False,
        "meets_time_below_range_target": False,
        "meets_time_below_54_target": False,
        "meets_time_above_range_target": True,
        "meets_time_above_250_target": True,
        "meets_cv_target": True,
    }
    (event,) = rows_of(bad, "select * from marts.mrt_glucose_events where site_id = 'lows' and kind = 'low'")
    assert (event["duration_minutes"], event["reading_count"]) == (14 * 24 * 60, 14 * SLOTS)
    nights = rows_of(
        bad, "select * from marts.mrt_glucose_nights where site_id = 'lows' and reading_count > 0"
    )
    assert len(nights) == 14
    assert {(row["slope_mg_dl_per_hour"], row["dawn_rise_mg_dl"]) for row in nights} == {(0, 0)}


def test_600_for_a_day(bad: duckdb.DuckDBPyConnection, periods: dict[tuple[str, int, bool], Row]) -> None:
    row = periods["peak", 7, True]
    assert (row["max_glucose_mg_dl"], row["time_above_250_pct"], row["hbgi"] > 0) == (600, 100, True)
    assert (row["high_event_count"], row["very_high_event_count"], row["low_event_count"]) == (1, 1, 0)
    (first, *_) = profile(bad, "peak", 7)
    assert (first["p05_mg_dl"], first["p95_mg_dl"]) == (600, 600)
    overview = rows_of(
        bad, "select * from marts.mrt_glucose_overview where site_id = 'peak' order by reading_date"
    )
    assert (overview[0]["avg_glucose_mg_dl"], overview[0]["day_status"]) == (600, "ALERT")


def test_two_years_with_the_last_month_empty(
    bad: duckdb.DuckDBPyConnection, periods: dict[tuple[str, int, bool], Row]
) -> None:
    for length in (7, 14):
        assert periods["lapsed", length, True]["reading_count"] == 0
    assert periods["lapsed", 30, True]["reading_count"] == 0
    assert periods["lapsed", 30, False]["coverage_pct"] == 100
    quarter, year = periods["lapsed", 90, True], periods["lapsed", 365, True]
    assert (quarter["coverage_pct"], quarter["is_sufficient"]) == (pytest.approx(100 * 60 / 90), False)
    assert (year["day_count"], year["is_sufficient"]) == (335, True)
    assert year["avg_glucose_change_mg_dl"] == pytest.approx(
        year["avg_glucose_mg_dl"] - periods["lapsed", 365, False]["avg_glucose_mg_dl"]
    )
    assert profile(bad, "lapsed", 30) == []
    assert [each["reading_count"] for each in profile(bad, "lapsed", 365)] == [3 * 335] * 96
    assert rows_of(bad, "select * from marts.mrt_glucose_recent where site_id = 'lapsed'") == []
    (last,) = rows_of(bad, "select * from marts.mrt_current_glucose where site_id = 'lapsed'")
    assert last["reading_timestamp"] == datetime.fromisoformat("2024-05-30T23:55:00+00:00")


def test_a_reading_after_data_through(
    bad: duckdb.DuckDBPyConnection, periods: dict[tuple[str, int, bool], Row]
) -> None:
    """It is shown, and no period that has ended holds it."""
    assert {row["reading_count"] for (site_id, *_), row in periods.items() if site_id == "late"} == {0}
    (shown,) = rows_of(bad, "select * from marts.mrt_glucose_recent where site_id = 'late'")
    assert shown["glucose_mg_dl"] == 120
    (last,) = rows_of(bad, "select * from marts.mrt_current_glucose where site_id = 'late'")
    assert last["data_through"] == instant(THROUGH)


@pytest.fixture
def published(bad: duckdb.DuckDBPyConnection, postgres: Postgres) -> Postgres:
    """These marts as readers of Postgres see them."""
    make_tables(postgres)
    schema_of = dict.fromkeys(READ, "marts") | {"dim_sites": "gold"}
    with postgres.transaction() as connection:
        for model in READ:
            fill(connection, model, rows_of(bad, f"select * from {schema_of[model]}.{model}"))
        connection.execute(PUBLISH, ["v1", instant(THROUGH), "{}"])
    return postgres


def test_reports_of_it(published: Postgres) -> None:
    """Every site's page of every period: no number that is none, and what is missing is said."""
    pages = {
        (site_id, days): Page(render(read_site(published, site_id, days)))
        for site_id in SITES
        for days in PERIOD_DAYS
    }
    assert {key for key, page in pages.items() if page.no_numbers} == set()
    for site_id in WITHOUT_READINGS:
        assert "there is nothing to report" in pages[site_id, 14].text
    said = {
        ("single", 14): "1 of 14 days holds data, <1 % of the expected readings; 70 % are needed",
        ("one_day", 14): "1 of 14 days holds data, 7 % of the expected readings; 70 % are needed",
        ("hole", 90): "28 of 90 days hold data, 31 % of the expected readings; 70 % are needed",
        ("lapsed", 30): "no day of these 30 holds a reading",
        ("lapsed", 90): "60 of 90 days hold data, 66 % of the expected readings; 70 % are needed",
        ("late", 7): "no day of these 7 holds a reading",
    }
    for key, reason in said.items():
        assert reason in pages[key].marked["data-value", "shortfall"], key
    for key in (("hole", 14), ("lows", 14), ("lapsed", 365)):
        assert ("data-value", "shortfall") not in pages[key].marked, key
    assert pages["lows", 14].of("class")["time_below_54_pct"] == "100 %"
    assert pages["lows", 14].of("statistic")["avg_glucose_mg_dl"] == "39 mg/dL"
    assert pages["peak", 7].of("statistic")["avg_glucose_mg_dl"] == "600 mg/dL"
    assert pages["hole", 14].of("statistic")["gmi_pct"] == "8.1 %"  # 3.31 + 0.02392 x 199.5 = 8.08
