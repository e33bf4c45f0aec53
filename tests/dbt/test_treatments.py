"""Daily totals and responses of real exports, against sums over the documents themselves."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise, zip_longest
from pathlib import Path
from statistics import mean
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pytest

from tests.dbt.conftest import ZONES_OF_EXPORTS
from tests.dbt.glucose_lake import Row, by_key, export, instant, rows_of

PEOPLE = sorted(ZONES_OF_EXPORTS)
Days = dict[tuple[str, date], Row]


@pytest.fixture(scope="module")
def days(connection: duckdb.DuckDBPyConnection) -> Days:
    query = "select * from lake.marts.mrt_treatments_daily"
    return by_key(rows_of(connection, query), "site_id", "treatment_date")


def treatments(test_data: Path, person: str) -> list[Row]:
    """Those that count: none of these exports holds equal ones."""
    found = export(test_data, person, "treatments")
    return sorted((one | {"at": instant(one["created_at"])} for one in found), key=lambda one: one["at"])


def local_day(person: str, at: datetime) -> date:
    return at.astimezone(ZoneInfo(ZONES_OF_EXPORTS[person])).date()


@pytest.mark.parametrize("person", PEOPLE)
def test_boluses_and_carbs(test_data: Path, days: Days, person: str) -> None:
    sums: dict[date, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in treatments(test_data, person):
        day = sums[local_day(person, one["at"])]
        if one.get("insulin"):
            automatic = one["eventType"] == "SMB" or one.get("automatic")
            named = "correction" if one["eventType"] == "Correction Bolus" else "manual"
            day[f"bolus_{'automatic' if automatic else named}_units"] += one["insulin"]
            day["bolus_units"] += one["insulin"]
            day["bolus_count"] += 1
        if one.get("carbs") and one["enteredBy"] == "Trio" and "foodType" not in one:
            day["carb_equivalent_grams"] += one["carbs"]
        elif one.get("carbs"):
            day["carbs_grams"] += one["carbs"]
            day["meal_count"] += 1
    names = {name for day in sums.values() for name in day}
    assert names
    for (site_id, day), row in days.items():
        if site_id == person:
            wanted = {name: sums[day][name] for name in names}
            assert {name: row[name] for name in names} == pytest.approx(wanted), day


@pytest.mark.parametrize("person", PEOPLE)
def test_basal_by_the_second(test_data: Path, days: Days, person: str) -> None:
    """What the pump gives in each second of days with temporary basals, and of days with a profile alone."""
    basals = [one for one in treatments(test_data, person) if one["eventType"] == "Temp Basal"]
    zone, complete = ZoneInfo(ZONES_OF_EXPORTS[person]), 0
    for day in {local_day(person, one["at"]) for one in basals} | {date(2026, 3, 29), date(2026, 3, 30)}:
        start, end = (
            datetime.combine(midnight, datetime.min.time(), zone) for midnight in (day, day + timedelta(1))
        )
        assert start.utcoffset() == end.utcoffset()
        seconds = np.arange(start.timestamp(), end.timestamp())
        rates = np.full(len(seconds), np.nan)
        for profile in sorted(export(test_data, person, "profile"), key=lambda one: one["startDate"]):
            holds = seconds >= instant(profile["startDate"]).timestamp()
            for part in next(iter(profile["store"].values()))["basal"]:
                rates[holds & (np.arange(len(seconds)) >= part["timeAsSeconds"])] = part["value"]
        for basal, following in zip_longest(basals, basals[1:]):
            stop = basal["at"].timestamp() + 60 * basal["duration"]
            if following:
                stop = min(stop, following["at"].timestamp())
            rates[(seconds >= basal["at"].timestamp()) & (seconds < stop)] = basal["rate"]
        row = days[person, day]
        assert row["basal_units"] == pytest.approx(np.nansum(rates) / 3600, abs=0.02), day
        assert row["is_basal_complete"] == (not np.isnan(rates).any()), day
        assert row["total_insulin_units"] == pytest.approx(row["basal_units"] + row["bolus_units"])
        complete += row["is_basal_complete"]
    # the profiles of the others begin later
    assert (complete > 0) == (person in ("patient_d", "patient_j", "sensor_d"))


def test_every_day_has_a_row(days: Days) -> None:
    for site_id in {site_id for site_id, _ in days}:
        dates = sorted(day for site, day in days if site == site_id)
        assert all(after - before == timedelta(1) for before, after in pairwise(dates)), site_id


@pytest.fixture(scope="module")
def readings(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[datetime, float]]]:
    """Instants and glucose of each site, in order."""
    query = (
        "select site_id, reading_timestamp, glucose_mg_dl from lake.silver.fct_glucose_readings order by 2"
    )
    found: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for site_id, at, glucose in connection.execute(query).fetchall():
        found[site_id].append((at, glucose))
    return found


def around(readings: list[tuple[datetime, float]], instant: datetime) -> list[tuple[float, float]]:
    """Minutes from the instant and glucose of the readings from four hours before to four after, in order."""
    return [
        ((at - instant) / timedelta(minutes=1), glucose)
        for at, glucose in readings
        if abs(at - instant) <= timedelta(hours=4)
    ]


def assert_equal(row: Row, wanted: Row) -> None:
    """What is wanted of a row is there, to a thousandth."""
    for name, value in wanted.items():
        assert row[name] == (None if value is None else pytest.approx(value, abs=1e-3)), name


def test_glucose_around_doses(
    connection: duckdb.DuckDBPyConnection, readings: dict[str, list[tuple[datetime, float]]]
) -> None:
    """Every dose of the exports, against its readings one by one."""
    with_nadir = 0
    for dose in rows_of(connection, "select * from lake.marts.mrt_medication_effectiveness"):
        near = around(readings[dose["site_id"]], dose["administered_at"])
        before = [glucose for minutes, glucose in near if -60 <= minutes <= 0]
        after = [(glucose, minutes) for minutes, glucose in near if 0 < minutes <= 180]
        wanted = {
            "glucose_before_mg_dl": mean(before) if before else None,
            "glucose_after_mg_dl": mean(glucose for glucose, _ in after) if after else None,
            "nadir_mg_dl": min(after)[0] if after else None,
            "minutes_to_nadir": min(after)[1] if after else None,
            "after_reading_count": len(after),
        }
        assert_equal(dose, wanted)
        with_nadir += bool(after)
    assert with_nadir > 200


def test_glucose_around_meals(
    connection: duckdb.DuckDBPyConnection, readings: dict[str, list[tuple[datetime, float]]]
) -> None:
    """Every meal of the exports, against its readings one by one."""
    with_rise = 0
    for meal in rows_of(connection, "select * from lake.marts.mrt_meal_responses"):
        near = around(readings[meal["site_id"]], meal["eaten_at"])
        before = [glucose for minutes, glucose in near if -15 <= minutes <= 0]
        after = [(-glucose, minutes) for minutes, glucose in near if 0 < minutes <= 180]
        peak, first = min(after) if after else (None, None)
        wanted: Row = {
            "glucose_before_mg_dl": mean(before) if before else None,
            "peak_mg_dl": None if peak is None else -peak,
            "minutes_to_peak": first,
            "rise_mg_dl": -peak - mean(before) if peak is not None and before else None,
            "after_reading_count": len(after),
        }
        for goal in (60, 120, 180):
            off = [(abs(minutes - goal), glucose) for minutes, glucose in near]
            nearest = min(off, key=lambda one: one[0], default=(np.inf, None))
            wanted[f"glucose_{goal}m_mg_dl"] = nearest[1] if nearest[0] <= 15 else None
        assert_equal(meal, wanted)
        with_rise += wanted["rise_mg_dl"] is not None
    assert with_rise >= 15


def test_real_meals_have_their_insulin(connection: duckdb.DuckDBPyConnection) -> None:
    """xDrip4iOS writes a meal's carbs and insulin a millisecond apart."""
    query = "select carbs_grams, insulin_units from lake.marts.mrt_meal_responses where site_id = 'patient_j'"
    meals = rows_of(connection, query)
    assert {"carbs_grams": 91.0, "insulin_units": 20.0} in meals
    query = (
        "select sum(bolus_manual_units) as given from lake.marts.mrt_treatments_daily"
        " where site_id = 'patient_j'"
    )
    (total,) = rows_of(connection, query)
    assert 0 < sum(meal["insulin_units"] or 0 for meal in meals) <= total["given"]


def test_fat_and_protein_are_no_carbs_that_were_eaten(days: Days) -> None:
    """Trio wrote 29 documents for them on this day, beside 11 meals."""
    day = days["patient_b", date(2025, 10, 6)], days["patient_b", date(2025, 10, 5)]
    assert sum(row["meal_count"] for row in day) == 11
    assert sum(row["carbs_grams"] for row in day) == pytest.approx(251.0)
    assert sum(row["carb_equivalent_grams"] for row in day) == pytest.approx(50.1)


def test_a_site_without_readings(connection: duckdb.DuckDBPyConnection, days: Days) -> None:
    """Its treatments have days, and nulls where glucose would be."""
    found = {day: row for (site_id, day), row in days.items() if site_id == "only-treatments"}
    assert sorted(found) == [date(2024, 3, 1), date(2024, 3, 2)]
    assert [found[day]["bolus_units"] for day in sorted(found)] == [2.0, 0.0]
    (meal,) = rows_of(
        connection, "select * from lake.marts.mrt_meal_responses where site_id = 'only-treatments'"
    )
    assert (meal["insulin_units"], meal["peak_mg_dl"], meal["is_clean"]) == (2.0, None, True)
    (dose,) = rows_of(
        connection, "select * from lake.marts.mrt_medication_effectiveness where site_id = 'only-treatments'"
    )
    assert (dose["nadir_mg_dl"], dose["after_reading_count"], dose["is_clean"]) == (None, 0, False)


def test_a_site_with_meter_readings_alone_has_no_days(days: Days) -> None:
    assert "only-meter" not in {site_id for site_id, _ in days}


def test_a_site_with_readings_alone_has_zeros(days: Days) -> None:
    rows = [row for (site_id, _), row in days.items() if site_id == "traveller"]
    assert len(rows) > 15
    assert {(one["total_insulin_units"], one["carbs_grams"], one["is_basal_complete"]) for one in rows} == {
        (0.0, 0.0, False)
    }


def test_a_switch_rules_for_its_duration(days: Days) -> None:
    """1.5 U/h for an hour; a basal without a rate has its first quarter, one of 50 percent the next two."""
    row = days["faults", date(2024, 3, 1)]
    assert row["basal_scheduled_units"] == pytest.approx(0.375)
    assert row["basal_temp_units"] == pytest.approx(0.375)
    assert row["is_basal_complete"] is False
    assert (row["bolus_units"], row["carbs_grams"]) == (2.0, 0.0)


def test_numbers_that_no_pump_knows_are_none(days: Days) -> None:
    """From 09:00 to 11:00 of the wall clock 1 U/h, but for half an hour of 1e300 percent; then 1e24 U/h."""
    row = days["faults", date(2024, 3, 2)]
    assert row["basal_scheduled_units"] == pytest.approx(1.5)
    assert row["basal_temp_units"] == 0
    assert row["is_basal_complete"] is False
