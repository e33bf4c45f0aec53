"""Local days: daylight saving time, moves between zones, the open day."""

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from tests.dbt.conftest import ZONES_OF_EXPORTS, clocks_of
from tests.dbt.glucose_lake import SINCE_EVER, Dbt, Raw, by_key, instant, opened, oracle, rows_of


def site_of(zone: str) -> str:
    return zone.lower().replace("/", "-")


def test_days_with_a_change_of_clocks(connection: duckdb.DuckDBPyConnection, test_data: Path) -> None:
    found = by_key(rows_of(connection, "select * from lake.silver.int_local_days"), "site_id", "reading_date")
    expected = oracle(test_data, "dst_days")
    assert len(expected) == 30
    for row in expected:
        day = found[site_of(row["tz"]), date.fromisoformat(row["local_date"])]
        assert day["slot_count"] == day["expected_count"] == int(row["slots_5min"]), row
        assert day["day_start_at"] == instant(row["utc_start"])
        assert day["day_end_at"] == instant(row["utc_end"])


def test_readings_of_repeated_and_skipped_hours(
    connection: duckdb.DuckDBPyConnection, test_data: Path
) -> None:
    """On days with a reading in every slot: each counts, in the hour that a clock on the wall shows."""
    hours = by_key(
        rows_of(connection, "select * from lake.gold.mrt_glucose_readings"),
        "site_id",
        "reading_date",
        "hour_of_day",
    )
    metrics = by_key(
        rows_of(connection, "select * from lake.gold.fct_daily_glucose_metrics"), "site_id", "reading_date"
    )
    profile = "select * from lake.marts.mrt_glucose_agp where period_days = 365"
    bins = by_key(rows_of(connection, profile), "site_id", "bin_start_minute")
    shown: dict[tuple[str, int], int] = {}
    for row in oracle(test_data, "dst_days"):
        if row["local_date"] >= "2025":
            continue
        site_id, day, at = clocks_of(row["tz"]), date.fromisoformat(row["local_date"]), row["utc_start"]
        assert metrics[site_id, day]["reading_count"] == int(row["slots_5min"])
        assert metrics[site_id, day]["coverage_pct"] == 100
        clock = [
            (instant(at) + number * timedelta(minutes=5)).astimezone(ZoneInfo(row["tz"]))
            for number in range(int(row["slots_5min"]))
        ]
        assert {each.date() for each in clock} == {day}
        for hour in range(24):
            wanted = sum(each.hour == hour for each in clock)
            assert hours.get((site_id, day, hour), {"reading_count": 0})["reading_count"] == wanted
        for each in clock:
            key = site_id, (60 * each.hour + each.minute) // 15 * 15
            shown[key] = shown.get(key, 0) + 1
    of_clocks = {key: row["reading_count"] for key, row in bins.items() if key[0].startswith("clocks-")}
    assert of_clocks == shown
    # a quarter hour that is on the clock on both days, three times in all, and once only
    assert {6, 9, 3} == set(shown.values())


def test_all_other_days_have_288_slots(connection: duckdb.DuckDBPyConnection, test_data: Path) -> None:
    changing = {
        (site_of(row["tz"]), date.fromisoformat(row["local_date"])) for row in oracle(test_data, "dst_days")
    }
    query = "select site_id, reading_date from lake.silver.int_local_days where slot_count <> 288"
    found = {(row["site_id"], row["reading_date"]) for row in rows_of(connection, query)}
    inside = {key for key in found if key[0] in {site_id for site_id, _ in changing}}
    assert inside == changing


def test_days_tile_and_start_at_local_midnight(
    connection: duckdb.DuckDBPyConnection, test_data: Path
) -> None:
    zones = {site_of(row["tz"]): row["tz"] for row in oracle(test_data, "dst_days")} | ZONES_OF_EXPORTS
    query = "select * from lake.silver.int_local_days where site_id = ? order by reading_date"
    for site_id, zone in zones.items():
        days = rows_of(connection, query, [site_id])
        assert len(days) > 25
        for day, following in pairwise(days):
            assert following["reading_date"] == day["reading_date"] + timedelta(days=1)
            assert following["day_start_at"] == day["day_end_at"]
            midnight = datetime.combine(day["reading_date"], time(), ZoneInfo(zone))
            assert day["day_start_at"] == midnight
            assert day["slot_count"] * 300 == (day["day_end_at"] - day["day_start_at"]).total_seconds()


def test_a_move_cuts_or_stretches_the_day_before_it(connection: duckdb.DuckDBPyConnection) -> None:
    query = "select * from lake.silver.int_local_days where site_id = 'traveller'"
    days = by_key(rows_of(connection, query), "reading_date")
    east, west = days[(date(2024, 6, 9),)], days[(date(2024, 6, 19),)]
    # Honolulu's day of 9 June starts at 10:00 UTC; Auckland's of 10 June already at 12:00 UTC
    assert (east["day_start_at"], east["day_end_at"]) == (
        instant("2024-06-09T10:00"),
        instant("2024-06-09T12:00"),
    )
    assert east["slot_count"] == 24
    # Auckland's 19 June starts at 12:00 UTC of the 18th; Honolulu's 20 June at 10:00 UTC of the 20th
    assert (west["day_start_at"], west["day_end_at"]) == (
        instant("2024-06-18T12:00"),
        instant("2024-06-20T10:00"),
    )
    assert west["slot_count"] == 552
    assert all(row["slot_count"] == 288 for day, row in days.items() if row not in (east, west))


def test_every_slot_of_a_traveller_counts_once(connection: duckdb.DuckDBPyConnection) -> None:
    query = "select * from lake.marts.mrt_glucose_overview where site_id = 'traveller'"
    days = by_key(rows_of(connection, query), "reading_date")
    with_readings = {day[0]: row for day, row in days.items() if row["reading_count"]}
    assert min(with_readings) == date(2024, 6, 5)
    assert max(with_readings) == date(2024, 6, 24)
    assert sum(row["reading_count"] for row in with_readings.values()) == 20 * 288
    assert {row["coverage_pct"] for row in with_readings.values()} == {100.0}
    assert max(day for (day,) in days) == date(2024, 6, 29)


def test_a_repeated_hour_is_in_one_row(connection: duckdb.DuckDBPyConnection) -> None:
    query = (
        "select reading_date, hour_of_day, reading_count from lake.gold.mrt_glucose_readings"
        " where site_id = 'traveller' and reading_date = date '2024-06-19'"
    )
    hours = by_key(rows_of(connection, query), "hour_of_day")
    assert {hour: row["reading_count"] for (hour,), row in hours.items()} == {
        hour: 24 if hour < 22 else 12 for hour in range(24)
    }


def test_the_open_day_expects_what_has_started(connection: duckdb.DuckDBPyConnection) -> None:
    """Berlin, read to 12:00 of 2 March; one reading came from after that."""
    query = "select * from lake.marts.mrt_glucose_overview where site_id = 'faults'"
    days = by_key(rows_of(connection, query), "reading_date")
    assert set(days) == {(date(2024, 3, 1),), (date(2024, 3, 2),)}
    closed, opened = days[(date(2024, 3, 1),)], days[(date(2024, 3, 2),)]
    assert (closed["expected_count"], closed["reading_count"]) == (288, 3)
    assert (opened["expected_count"], opened["reading_count"], opened["coverage_pct"]) == (144, 1, 0)
    assert not opened["is_sufficient"]


def test_the_open_day_is_in_no_pattern(connection: duckdb.DuckDBPyConnection) -> None:
    query = (
        "select sum(reading_count) as n from lake.marts.mrt_glucose_hourly_patterns where site_id = 'faults'"
    )
    assert rows_of(connection, query) == [{"n": 3}]


def test_patterns_look_back_90_ended_days(connection: duckdb.DuckDBPyConnection) -> None:
    """Sites with a reading at both ends of three years, the last one on a day that has ended or not."""
    query = "select site_id, sum(reading_count) as n from lake.marts.mrt_glucose_hourly_patterns group by 1"
    found = by_key(rows_of(connection, query), "site_id")
    # read to 17:00 UTC of 31 December: only in Lord Howe the day of the last reading has ended
    assert ("australia-lord_howe",) in found
    assert ("europe-berlin",) not in found


def test_the_calendar_holds_whole_years(connection: duckdb.DuckDBPyConnection) -> None:
    days = [
        row["date_day"] for row in rows_of(connection, "select date_day from lake.gold.dim_date order by 1")
    ]
    assert days[0] == date(2015, 1, 1)
    assert days[-1] == date(2027, 12, 31)
    assert len(days) == (days[-1] - days[0]).days + 1 == len(set(days))


def test_days_after_data_through_end_with_the_last_reading_and_expect_nothing(
    dbt: Dbt, tmp_path: Path
) -> None:
    raw = Raw()
    raw.site("home", ("Etc/UTC", SINCE_EVER, None), through="2024-01-02")
    raw.entry("home", "before", instant("2024-01-01 12:00"), 100)
    raw.entry("home", "after", instant("2024-01-04 12:00"), 100)
    raw.write(tmp_path / "lake.duckdb")
    models = ["--select", "+mrt_glucose_overview"]
    dbt.build(tmp_path / "lake.duckdb", "--exclude-resource-type", "unit_test", "test", *models)
    with opened(tmp_path / "lake.duckdb") as connection:
        days = rows_of(connection, "select * from marts.mrt_glucose_overview order by reading_date")
    columns = ("reading_count", "expected_count", "coverage_pct", "is_sufficient")
    assert [row["reading_date"].day for row in days] == [1, 2, 3, 4]
    assert [tuple(row[name] for name in columns) for row in days[1:]] == [
        (0, 0, None, False),
        (0, 0, None, False),
        (1, 0, None, False),
    ]
