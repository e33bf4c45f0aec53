"""Each glucose mart against the same numbers computed from the facts, outside of the engine."""

from datetime import timedelta

import duckdb
import numpy as np
import pytest

from tests.dbt.glucose_lake import Row, by_key, rows_of
from tests.dbt.marts_by_hand import LENGTHS, Site, night_slots, period_days, sites_of, statistics

STATISTICS = {
    "avg_glucose_mg_dl": "avg",
    "median_glucose_mg_dl": "median",
    "min_glucose_mg_dl": "min",
    "max_glucose_mg_dl": "max",
    "stddev_glucose_mg_dl": "stddev",
    "cv_pct": "cv",
    "time_below_54_pct": "below_54",
    "time_54_69_pct": "from_54",
    "time_below_range_pct": "below_70",
    "time_in_range_pct": "in_range",
    "time_in_tight_range_pct": "tight",
    "time_above_range_pct": "above_180",
    "time_181_250_pct": "to_250",
    "time_above_250_pct": "above_250",
    "p05_mg_dl": "p05",
    "p25_mg_dl": "p25",
    "p75_mg_dl": "p75",
    "p95_mg_dl": "p95",
    "lbgi": "lbgi",
    "hbgi": "hbgi",
    "gri": "gri",
    "j_index": "j_index",
}


@pytest.fixture(scope="module")
def sites(connection: duckdb.DuckDBPyConnection) -> dict[str, Site]:
    return sites_of(connection)


@pytest.fixture(scope="module")
def periods(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, int, bool], Row]:
    query = "select * from lake.marts.mrt_glucose_periods"
    return by_key(rows_of(connection, query), "site_id", "period_days", "is_current")  # type: ignore[return-value]


def test_every_site_with_a_reading_has_all_periods(
    sites: dict[str, Site], periods: dict[tuple[str, int, bool], Row]
) -> None:
    assert len(sites) > 10
    assert periods.keys() == {
        (site_id, length, is_current)
        for site_id in sites
        for length in LENGTHS
        for is_current in (True, False)
    }


def test_days_and_slots_of_periods(sites: dict[str, Site], periods: dict[tuple[str, int, bool], Row]) -> None:
    for (site_id, length, is_current), row in periods.items():
        site = sites[site_id]
        first, last = period_days(site, length, is_current)
        readings = site.on(first, last)
        assert (row["period_start"], row["period_end"]) == (first, last)
        seconds = (site.start(last + timedelta(days=1)) - site.start(first)).total_seconds()
        assert row["expected_count"] == seconds / 300
        assert row["reading_count"] == len(readings)
        assert row["day_count"] == len({each["reading_date"] for each in readings})
        assert row["coverage_pct"] == pytest.approx(100 * len(readings) * 300 / seconds)
        assert row["is_sufficient"] == (len(readings) * 300 / seconds >= 0.7)


def test_statistics_of_periods(sites: dict[str, Site], periods: dict[tuple[str, int, bool], Row]) -> None:
    with_gmi = 0
    for (site_id, length, is_current), row in periods.items():
        readings = sites[site_id].on(*period_days(sites[site_id], length, is_current))
        wanted = statistics(each["glucose_mg_dl"] for each in readings)
        for ours, theirs in STATISTICS.items():
            value = wanted.get(theirs)
            assert row[ours] == (value if value is None else pytest.approx(value, abs=1e-9)), (site_id, ours)
        has_gmi = length >= 14 and row["is_sufficient"]
        assert row["gmi_pct"] == (pytest.approx(3.31 + 0.02392 * wanted["avg"]) if has_gmi else None)
        with_gmi += has_gmi
    assert with_gmi >= 3


def test_events_of_periods(
    connection: duckdb.DuckDBPyConnection, periods: dict[tuple[str, int, bool], Row]
) -> None:
    events = rows_of(connection, "select * from lake.gold.fct_glucose_events")
    counted = 0
    for (site_id, *_), row in periods.items():
        for kind in ("low", "very_low", "high", "very_high"):
            wanted = sum(
                each["site_id"] == site_id
                and each["kind"] == kind
                and row["period_start"] <= each["event_date"] <= row["period_end"]
                for each in events
            )
            assert row[f"{kind}_event_count"] == wanted
            counted += wanted
    assert counted > 143


def test_changes_against_the_period_before(periods: dict[tuple[str, int, bool], Row]) -> None:
    changes = {
        "avg_glucose_change_mg_dl": "avg_glucose_mg_dl",
        "time_in_range_change_pct": "time_in_range_pct",
        "cv_change_pct": "cv_pct",
    }
    compared = 0
    for (site_id, length, is_current), row in periods.items():
        before = periods[site_id, length, False]
        known = is_current and row["is_sufficient"] and before["is_sufficient"]
        for change, name in changes.items():
            assert row[change] == (pytest.approx(row[name] - before[name]) if known else None)
        compared += known
    assert compared >= 1


def test_profile_by_quarter_hour(connection: duckdb.DuckDBPyConnection, sites: dict[str, Site]) -> None:
    query = "select * from lake.marts.mrt_glucose_agp"
    found = by_key(rows_of(connection, query), "site_id", "period_days", "bin_start_minute")
    bins: dict[tuple[str, int, int], list[float]] = {}
    sufficient = set()
    for site_id, site in sites.items():
        for length in LENGTHS:
            first, last = period_days(site, length, is_current=True)
            readings = site.on(first, last)
            slots = (site.start(last + timedelta(days=1)) - site.start(first)) / timedelta(minutes=5)
            if len(readings) / slots >= 0.7:
                sufficient.add((site_id, length))
            for each in readings:
                local = each["reading_timestamp_local"]
                key = site_id, length, (60 * local.hour + local.minute) // 15 * 15
                bins.setdefault(key, []).append(each["glucose_mg_dl"])
    assert found.keys() == bins.keys()
    for key, values in bins.items():
        row = found[key]
        assert row["reading_count"] == len(values)
        percentiles = [row[f"p{at}_mg_dl"] for at in ("05", "25", "50", "75", "95")]
        assert percentiles == pytest.approx(list(np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])))
        assert row["is_sufficient"] == (len(values) >= 5 and key[:2] in sufficient)
    assert {row["is_sufficient"] for row in found.values()} == {True, False}


def test_nights(connection: duckdb.DuckDBPyConnection, sites: dict[str, Site]) -> None:
    """But for the traveller's, who sleeps in two zones in one night, and for years without readings."""
    found = by_key(
        rows_of(connection, "select * from lake.marts.mrt_glucose_nights"), "site_id", "night_date"
    )
    dawns = 0
    for (site_id, night), row in found.items():
        site = sites[site_id]
        readings = [each for each in site.readings if each["reading_date"] == night]
        start, half_a_day = site.start(night), timedelta(hours=12)
        asleep = [
            each
            for each in readings
            if each["reading_timestamp_local"].hour < 6 and each["reading_timestamp"] - start < half_a_day
        ]
        assert row["reading_count"] == len(asleep)
        if not asleep:
            assert {row[name] for name in row if name.endswith(("_mg_dl", "_hour"))} == {None}
            continue
        values = np.array([each["glucose_mg_dl"] for each in asleep])
        if len(site.zones) == 1:
            covered = sum(each["slot_start"] < site.data_through for each in asleep)
            assert row["coverage_pct"] == pytest.approx(100 * covered / night_slots(site, night))
        assert row["avg_glucose_mg_dl"] == pytest.approx(values.mean())
        assert row["min_glucose_mg_dl"] == values.min()
        assert row["time_in_range_pct"] == pytest.approx(100 * np.mean((values >= 70) & (values <= 180)))
        assert row["time_below_range_pct"] == pytest.approx(100 * np.mean(values < 70))
        hours = [
            (each["reading_timestamp"] - asleep[0]["reading_timestamp"]) / timedelta(hours=1)
            for each in asleep
        ]
        if len(values) > 1:
            assert row["stddev_glucose_mg_dl"] == pytest.approx(values.std(ddof=1), abs=1e-6)
            assert row["slope_mg_dl_per_hour"] == pytest.approx(np.polyfit(hours, values, 1)[0], abs=1e-6)
        else:
            assert (row["stddev_glucose_mg_dl"], row["slope_mg_dl_per_hour"]) == (None, None)
        morning = [
            each["glucose_mg_dl"]
            for each in readings
            if (each["reading_timestamp_local"].hour, each["reading_timestamp_local"].minute // 15) == (6, 0)
        ]
        is_seen = asleep[0]["reading_timestamp"] - start < timedelta(minutes=15) and morning
        assert row["dawn_rise_mg_dl"] == (morning[0] - values.min() if is_seen else None)
        dawns += bool(is_seen)
    assert dawns > 30


def test_every_night_from_the_first_day_has_a_row(connection: duckdb.DuckDBPyConnection) -> None:
    of_days = "select site_id, reading_date from lake.marts.mrt_glucose_overview order by all"
    of_nights = "select site_id, night_date from lake.marts.mrt_glucose_nights order by all"
    assert connection.execute(of_nights).fetchall() == connection.execute(of_days).fetchall() != []


def test_recent_readings(connection: duckdb.DuckDBPyConnection, sites: dict[str, Site]) -> None:
    found = by_key(
        rows_of(connection, "select * from lake.marts.mrt_glucose_recent"), "site_id", "slot_start"
    )
    wanted = {
        (site_id, each["slot_start"]): each
        for site_id, site in sites.items()
        for each in site.readings
        if each["reading_date"] >= site.open_day() - timedelta(days=30)
    }
    assert found.keys() == wanted.keys()
    for key, row in found.items():
        assert row == {name: wanted[key][name] for name in row}


def test_events_are_published_whole(connection: duckdb.DuckDBPyConnection) -> None:
    both = [
        rows_of(connection, f"select * from lake.{name} order by event_id")  # noqa: S608 - names of our own
        for name in ("marts.mrt_glucose_events", "gold.fct_glucose_events")
    ]
    assert len(both[0]) >= 143
    assert both[0] == both[1]


def test_current_glucose(connection: duckdb.DuckDBPyConnection, sites: dict[str, Site]) -> None:
    found = by_key(rows_of(connection, "select * from lake.marts.mrt_current_glucose"), "site_id")
    assert found.keys() == {(site_id,) for site_id in sites}
    for (site_id,), row in found.items():
        *before, last = sites[site_id].readings
        is_near = bool(before) and last["reading_timestamp"] - before[-1]["reading_timestamp"] <= timedelta(
            minutes=15
        )
        assert row == {
            "site_id": site_id,
            "reading_timestamp": last["reading_timestamp"],
            "reading_timestamp_local": last["reading_timestamp_local"],
            "glucose_mg_dl": last["glucose_mg_dl"],
            "direction": last["direction"],
            "glucose_change_mg_dl": last["glucose_mg_dl"] - before[-1]["glucose_mg_dl"] if is_near else None,
            "data_through": sites[site_id].data_through,
        }
