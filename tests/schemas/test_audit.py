"""The contracts of facts, daily metrics and marts: whole frames pass, and every rule can fail."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from statistics import mean, quantiles, stdev
from typing import Any

import polars as pl
import pytest

from include.errors import ContractError
from include.schemas import AUDITED_MODELS, check_frame

Row = dict[str, Any]

START = datetime(2024, 10, 14, 22, 0, tzinfo=UTC)  # midnight of Tuesday the 15th in Berlin
GLUCOSE = [52.0, 53.9, 54.0, 69.9, 70.0, 110.0, 140.0, 140.5, 180.0, 180.5, 250.0, 250.5]
WEEKDAYS = {15: "Tuesday", 16: "Wednesday"}


def category(glucose: float) -> str:
    if glucose < 70:
        return "hypoglycemia"
    if glucose <= 180:
        return "in_range"
    return "hyperglycemia_mild" if glucose <= 250 else "hyperglycemia_severe"


def share(values: list[float], low: float, high: float) -> float:
    """Percent of values with low <= value < high."""
    return 100 * sum(low <= value < high for value in values) / len(values)


def readings() -> list[Row]:
    rows: list[Row] = []
    for day in (0, 1):
        for n, glucose in enumerate(GLUCOSE):
            slot = START + timedelta(days=day, minutes=10 * n)
            local = (slot + timedelta(hours=2, seconds=30)).replace(tzinfo=None)
            before = rows[-1] if rows else None
            change = glucose - before["glucose_mg_dl"] if before else None
            minutes = (slot - before["slot_start"]).total_seconds() / 60 if before else None
            rows.append(
                {
                    "site_id": "home",
                    "slot_start": slot,
                    "entry_id": f"{day}-{n}",
                    "reading_timestamp": slot + timedelta(seconds=30),
                    "reading_timestamp_local": local,
                    "reading_date": local.date(),
                    "hour_of_day": local.hour,
                    "day_of_week": 2 + day,
                    "day_name": WEEKDAYS[15 + day],
                    "glucose_mg_dl": glucose,
                    "glucose_category": category(glucose),
                    "is_in_range": int(70 <= glucose <= 180),
                    "glucose_change_mg_dl": change,
                    "minutes_since_last_reading": minutes,
                    "rate_mg_dl_per_minute": change / minutes
                    if minutes is not None and minutes <= 15
                    else None,
                    "is_clipped": False,
                    "direction": "Flat",
                }
            )
    return rows


def daily() -> list[Row]:
    low, quarter, half, three_quarters, high = (
        quantiles(GLUCOSE, n=20, method="inclusive")[position - 1] for position in (1, 5, 10, 15, 19)
    )
    return [
        {
            "site_id": "home",
            "reading_date": date(2024, 10, day),
            "day_name": name,
            "reading_count": 12,
            "expected_count": 288,
            "coverage_pct": 100 * 12 / 288,
            "is_sufficient": False,
            "avg_glucose_mg_dl": mean(GLUCOSE),
            "median_glucose_mg_dl": half,
            "min_glucose_mg_dl": 52.0,
            "max_glucose_mg_dl": 250.5,
            "stddev_glucose_mg_dl": stdev(GLUCOSE),
            "cv_pct": 100 * stdev(GLUCOSE) / mean(GLUCOSE),
            "time_below_54_pct": share(GLUCOSE, 0, 54),
            "time_54_69_pct": share(GLUCOSE, 54, 70),
            "time_in_range_pct": share(GLUCOSE, 70, 180.1),
            "time_181_250_pct": share(GLUCOSE, 180.1, 250.1),
            "time_above_250_pct": share(GLUCOSE, 250.1, 999),
            "time_below_range_pct": share(GLUCOSE, 0, 70),
            "time_in_tight_range_pct": share(GLUCOSE, 70, 140.1),
            "time_above_range_pct": share(GLUCOSE, 180.1, 999),
            "p05_mg_dl": low,
            "p25_mg_dl": quarter,
            "p75_mg_dl": three_quarters,
            "p95_mg_dl": high,
            "lbgi": 1.5,
            "hbgi": 2.5,
            "gri": 77.0,
            "j_index": 0.001 * (mean(GLUCOSE) + stdev(GLUCOSE)) ** 2,
        }
        for day, name in WEEKDAYS.items()
    ]


def hourly() -> list[Row]:
    rows = []
    for day in WEEKDAYS:
        for hour in (0, 1):
            values = GLUCOSE[6 * hour : 6 * hour + 6]
            classes = [category(value) for value in values]
            rows.append(
                {
                    "site_id": "home",
                    "reading_date": date(2024, 10, day),
                    "hour_of_day": hour,
                    "reading_count": 6,
                    "avg_glucose_mg_dl": mean(values),
                    "min_glucose_mg_dl": min(values),
                    "max_glucose_mg_dl": max(values),
                    "time_in_range_pct": share(values, 70, 180.1),
                    **{
                        f"{name}_count": classes.count(name)
                        for name in ("hypoglycemia", "in_range", "hyperglycemia_mild", "hyperglycemia_severe")
                    },
                }
            )
    return rows


def overview() -> list[Row]:
    statistics = (
        "avg_glucose_mg_dl min_glucose_mg_dl max_glucose_mg_dl stddev_glucose_mg_dl cv_pct time_in_range_pct"
        " time_below_range_pct time_above_range_pct time_below_54_pct time_above_250_pct"
    )
    rows: list[Row] = []
    for day, name in (WEEKDAYS | {17: "Thursday", 18: "Friday"}).items():
        has_readings = day != 17
        of_day = daily()[0]
        sufficient = day == 18
        rows.append(
            {
                "site_id": "home",
                "reading_date": date(2024, 10, day),
                "day_name": name,
                "reading_count": (216 if sufficient else 12) if has_readings else 0,
                "expected_count": 288,
                "coverage_pct": (75.0 if sufficient else 100 * 12 / 288) if has_readings else 0.0,
                "is_sufficient": sufficient,
                **{column: of_day[column] if has_readings else None for column in statistics.split()},
                "avg_glucose_7d_mg_dl": mean(GLUCOSE),
                **{f"time_in_range_{days}d_pct": 50.0 for days in (7, 14, 30)},
                "estimated_a1c_pct": 3.31 + 0.02392 * mean(GLUCOSE) if sufficient else None,
                "estimated_a1c_coverage_pct": 75.0 if sufficient else 4.0,
                "estimated_a1c_7d_avg": None,
                "diabetes_management_rating": "Needs Improvement" if sufficient else None,
                "day_status": "CRITICAL" if has_readings else None,
            }
        )
    return rows


def patterns() -> list[Row]:
    return [
        {
            "site_id": "home",
            "day_name": name,
            "hour_of_day": 0,
            "reading_count": 12,
            "avg_glucose_mg_dl": mean(GLUCOSE),
            "median_glucose_mg_dl": 140.25,
            "stddev_glucose_mg_dl": stdev(GLUCOSE),
            "time_below_range_pct": share(GLUCOSE, 0, 70),
            "time_in_range_pct": share(GLUCOSE, 70, 180.1),
            "time_above_range_pct": share(GLUCOSE, 180.1, 999),
        }
        for name in WEEKDAYS.values()
    ]


def treatments() -> list[Row]:
    return [
        {
            "site_id": "home",
            "treatment_id": number,
            "treated_at": START,
            "treated_at_local": (START + timedelta(hours=2)).replace(tzinfo=None),
            "treatment_date": date(2024, 10, 15),
            "event_type": "Combo Bolus",
            "insulin_units": 1.5,
            "extended_units": 0.5,
            "bolus_units": 2.0,
            "bolus_kind": "manual",
            "carbs_grams": None,
            "glucose_mg_dl": 120.0,
            "duration_minutes": 30.0,
            "basal_minutes": 20.0,
            "basal_units": 0.5,
            "duplicate_count": 0,
        }
        for number in ("1", "2")
    ]


def medications() -> list[Row]:
    return [
        {
            "site_id": "home",
            "medication_id": number,
            "administered_at": START,
            "administered_at_local": (START + timedelta(hours=2)).replace(tzinfo=None),
            "administered_date": date(2024, 10, 15),
            "medication_hour": 0,
            "medication_name": name,
            "dose_units": dose,
        }
        for number, name, dose in (("1", "Insulin", 1.5), ("2", "Glucagon", None))
    ]


def events() -> list[Row]:
    return [
        {
            "event_id": f"home/{kind}/0-0",
            "site_id": "home",
            "kind": kind,
            "started_at": START,
            "ended_at": START + timedelta(minutes=20),
            "started_at_local": (START + timedelta(hours=2)).replace(tzinfo=None),
            "event_date": date(2024, 10, 15),
            "duration_minutes": 20.0,
            "extreme_glucose_mg_dl": extreme,
            "reading_count": 4,
            "is_nocturnal": True,
        }
        for kind, extreme in (("low", 69.9), ("very_low", 53.9), ("high", 180.1), ("very_high", 250.1))
    ]


def quality() -> list[Row]:
    return [
        {
            "site_id": "home",
            "reading_date": day,
            "received_count": 40,
            "kept_count": 12,
            "duplicate_count": 10,
            "excluded_count": 6,
            "other_type_count": 5,
            "deleted_count": 4,
            "quarantined_count": 3,
            "expected_count": expected,
            "coverage_pct": 100 * 12 / expected if expected else None,
            "gap_count": gaps,
            "longest_gap_minutes": 1380.0 if gaps else None,
            "device_count": 2,
            "clipped_count": 12,
            "late_count": 37,
        }
        for day, expected, gaps in ((date(2024, 10, 14), 0, 0), (date(2024, 10, 15), 288, 1))
    ]


def treatment_days() -> list[Row]:
    return [
        {
            "site_id": "home",
            "treatment_date": date(2024, 10, day),
            "day_name": name,
            "bolus_units": 7.0,
            "basal_units": 12.0,
            "total_insulin_units": 19.0,
            "carbs_grams": 40.0,
            "bolus_count": 3,
            "meal_count": 1,
            "bolus_manual_units": 4.0,
            "bolus_correction_units": 2.0,
            "bolus_automatic_units": 1.0,
            "basal_temp_units": 10.0,
            "basal_scheduled_units": 2.0,
            "is_basal_complete": True,
            "carb_equivalent_grams": 2.8,
        }
        for day, name in WEEKDAYS.items()
    ]


def doses() -> list[Row]:
    return [
        {
            "site_id": "home",
            "medication_id": number,
            "medication_name": "Insulin",
            "dose_units": 1.5,
            "administered_at": START,
            "administered_at_local": (START + timedelta(hours=2)).replace(tzinfo=None),
            "medication_hour": 0,
            "glucose_before_mg_dl": 200.0 if count else None,
            "glucose_after_mg_dl": 150.0 if count else None,
            "glucose_reduction_mg_dl": 50.0 if count else None,
            "nadir_mg_dl": 110.0 if count else None,
            "minutes_to_nadir": 170.0 if count else None,
            "is_clean": True,
            "after_reading_count": count,
        }
        for number, count in (("1", 36), ("2", 0))
    ]


def meals() -> list[Row]:
    return [
        {
            "site_id": "home",
            "meal_id": number,
            "eaten_at": START,
            "eaten_at_local": (START + timedelta(hours=2)).replace(tzinfo=None),
            "carbs_grams": 40.0,
            "insulin_units": None,
            "glucose_before_mg_dl": 100.0,
            "glucose_60m_mg_dl": 150.0,
            "glucose_120m_mg_dl": None,
            "glucose_180m_mg_dl": 140.0,
            "peak_mg_dl": 190.0 if count else None,
            "rise_mg_dl": 90.0 if count else None,
            "minutes_to_peak": 110.0 if count else None,
            "is_clean": True,
            "after_reading_count": count,
        }
        for number, count in (("1", 36), ("2", 0))
    ]


def periods() -> list[Row]:
    """The 12 of a site; only the current ones of 7 and 14 days hold readings."""
    of_day = daily()[0]
    names = list(of_day)
    statistics = names[names.index("avg_glucose_mg_dl") :]
    rows: list[Row] = []
    for days in (7, 14, 30, 90, 180, 365):
        for is_current in (True, False):
            has_readings = is_current and days <= 14
            end = date(2024, 10, 16) - timedelta(days=0 if is_current else days)
            rows.append(
                {
                    "site_id": "home",
                    "period_days": days,
                    "is_current": is_current,
                    "period_start": end - timedelta(days=days - 1),
                    "period_end": end,
                    "day_count": 2 if has_readings else 0,
                    "reading_count": 24 if has_readings else 0,
                    "expected_count": 30,
                    "coverage_pct": 80.0 if has_readings else 0.0,
                    "is_sufficient": has_readings,
                    **{name: of_day[name] if has_readings else None for name in statistics},
                    "gmi_pct": 3.31 + 0.02392 * mean(GLUCOSE) if has_readings and days == 14 else None,
                    "time_below_target_range_pct": 30.0 if has_readings else None,
                    "time_in_target_range_pct": 50.0 if has_readings else None,
                    "time_above_target_range_pct": 20.0 if has_readings else None,
                    **{f"{kind}_event_count": 1 for kind in ("low", "very_low", "high", "very_high")},
                    "target_set": "older_or_high_risk",
                    "target_low_mg_dl": 70.0,
                    "target_high_mg_dl": 180.0,
                    "time_in_range_target_pct": 50.0,
                    "time_below_range_target_pct": 1.0,
                    "time_below_54_target_pct": None,
                    "time_above_range_target_pct": 50.0,
                    "time_above_250_target_pct": 10.0,
                    "cv_target_pct": 36.0,
                    **{
                        f"meets_{name}_target": met if has_readings else None
                        for name, met in MEETS_OF_SMALL_FRAMES.items()
                    },
                    **dict.fromkeys(
                        ("avg_glucose_change_mg_dl", "time_in_range_change_pct", "cv_change_pct")
                    ),
                }
            )
    return rows


MEETS_OF_SMALL_FRAMES = {
    "time_in_range": False,  # 50 is not above 50
    "time_below_range": False,
    "time_below_54": None,
    "time_above_range": True,
    "time_above_250": True,  # 8.3 below 10
    "cv": False,
}


def profile() -> list[Row]:
    return [
        {
            "site_id": "home",
            "period_days": 14,
            "bin_start_minute": minute,
            "reading_count": 5,
            **{f"p{name}_mg_dl": float(glucose) for name, glucose in PROFILE.items()},
            "is_sufficient": True,
        }
        for minute in (0, 1425)
    ]


PROFILE = {"05": 60, "25": 90, "50": 120, "75": 150, "95": 240}


def nights() -> list[Row]:
    measured = {
        "reading_count": 36,
        "coverage_pct": 50.0,
        "avg_glucose_mg_dl": 100.0,
        "min_glucose_mg_dl": 60.0,
        "stddev_glucose_mg_dl": 20.0,
        "time_in_range_pct": 90.0,
        "time_below_range_pct": 10.0,
        "slope_mg_dl_per_hour": -3.5,
        "dawn_rise_mg_dl": 25.0,
    }
    empty = dict.fromkeys(measured) | {"reading_count": 0, "coverage_pct": 0.0}
    return [
        {"site_id": "home", "night_date": date(2024, 10, day)} | values
        for day, values in ((15, measured), (16, empty), (17, measured))
    ]


def recent() -> list[Row]:
    of_a_reading = ("reading_timestamp_local", "reading_date", "glucose_mg_dl", "glucose_category")
    columns = ("site_id", "slot_start", *of_a_reading)
    return [{column: row[column] for column in columns} for row in readings()]


def current() -> list[Row]:
    local = (START + timedelta(hours=2)).replace(tzinfo=None)
    return [
        {
            "site_id": site_id,
            "reading_timestamp": START,
            "reading_timestamp_local": local,
            "glucose_mg_dl": 120.0,
            "direction": "Flat",
            "glucose_change_mg_dl": -2.0,
            "data_through": START,
        }
        for site_id in ("home", "clinic")
    ]


SOUND: dict[str, Callable[[], list[Row]]] = {
    "fct_glucose_readings": readings,
    "fct_treatments": treatments,
    "fct_medications": medications,
    "fct_glucose_events": events,
    "fct_daily_glucose_metrics": daily,
    "mrt_glucose_readings": hourly,
    "mrt_glucose_overview": overview,
    "mrt_glucose_hourly_patterns": patterns,
    "mrt_data_quality": quality,
    "mrt_treatments_daily": treatment_days,
    "mrt_medication_effectiveness": doses,
    "mrt_meal_responses": meals,
    "mrt_glucose_periods": periods,
    "mrt_glucose_agp": profile,
    "mrt_glucose_nights": nights,
    "mrt_glucose_events": events,
    "mrt_glucose_recent": recent,
    "mrt_current_glucose": current,
}
# What the small frames above show of their own: a third of their readings is low.
KNOWN = {
    "fct_daily_glucose_metrics": {"time_below_range_pct_above_30"},
    "mrt_glucose_overview": {"time_below_range_pct_above_30"},
}


def framed(name: str, rows: list[Row]) -> pl.DataFrame:
    """As DuckDB hands it over: instants in UTC, wall time without a zone."""
    schema = AUDITED_MODELS[name].columns
    return pl.DataFrame(rows, schema={column: of.dtype.type for column, of in schema.items()}, strict=True)


def found(name: str, rows: list[Row]) -> dict[str, str]:
    return {finding.check: finding.severity for finding in check_frame(name, framed(name, rows))}


def test_every_model_is_tested() -> None:
    assert set(AUDITED_MODELS) == set(SOUND)


@pytest.mark.parametrize("name", SOUND)
def test_sound_frames_have_no_error(name: str) -> None:
    assert found(name, SOUND[name]()) == dict.fromkeys(KNOWN.get(name, set()), "warning")


@pytest.mark.parametrize("name", SOUND)
def test_an_empty_model_is_sound(name: str) -> None:
    assert check_frame(name, framed(name, [])) == []


NAN = math.nan
BROKEN: list[tuple[str, Row, str]] = [
    ("fct_glucose_readings", {"site_id": None}, "site_id_null"),
    ("fct_glucose_readings", {"slot_start": None}, "slot_start_null"),
    ("fct_glucose_readings", {"slot_start": START}, "key_duplicate"),
    ("fct_glucose_readings", {"slot_start": START + timedelta(minutes=12)}, "slot_start_off_grid"),
    ("fct_glucose_readings", {"reading_timestamp": START + timedelta(minutes=15)}, "reading_outside_slot"),
    ("fct_glucose_readings", {"reading_date": date(2024, 10, 13)}, "reading_date_far_from_wall_date"),
    ("fct_glucose_readings", {"hour_of_day": 22}, "hour_of_day_not_local"),
    ("fct_glucose_readings", {"day_of_week": 1}, "day_of_week_wrong"),
    ("fct_glucose_readings", {"day_name": "Monday"}, "day_name_wrong"),
    ("fct_glucose_readings", {"glucose_mg_dl": 19.9}, "glucose_mg_dl_outside_20_to_600"),
    ("fct_glucose_readings", {"glucose_mg_dl": 600.1}, "glucose_mg_dl_outside_20_to_600"),
    ("fct_glucose_readings", {"glucose_mg_dl": NAN}, "glucose_mg_dl_outside_20_to_600"),
    ("fct_glucose_readings", {"glucose_mg_dl": None}, "glucose_mg_dl_null"),
    ("fct_glucose_readings", {"glucose_mg_dl": 70.0}, "glucose_category_wrong"),
    ("fct_glucose_readings", {"is_in_range": 1}, "is_in_range_wrong"),
    ("fct_glucose_readings", {"minutes_since_last_reading": -10.0}, "readings_not_in_order"),
    ("fct_glucose_readings", {"rate_mg_dl_per_minute": 3.0}, "rate_wrong"),
    ("fct_glucose_readings", {"minutes_since_last_reading": 20.0}, "rate_wrong"),
    ("fct_treatments", {"treatment_id": "2"}, "key_duplicate"),
    ("fct_treatments", {"treated_at": None}, "treated_at_null"),
    ("fct_treatments", {"treatment_date": date(2024, 10, 13)}, "treatment_date_far_from_wall_date"),
    ("fct_treatments", {"basal_minutes": -1.0}, "basal_minutes_negative"),
    ("fct_treatments", {"basal_minutes": 31.0}, "basal_longer_than_meant"),
    ("fct_treatments", {"duration_minutes": -5.0}, "basal_longer_than_meant"),
    ("fct_treatments", {"basal_minutes": 1441.0, "duration_minutes": 2000.0}, "basal_longer_than_a_day"),
    ("fct_treatments", {"bolus_units": 0.0}, "bolus_units_not_positive"),
    ("fct_treatments", {"bolus_kind": "by hand"}, "bolus_kind_unknown"),
    ("fct_treatments", {"bolus_kind": None}, "bolus_kind_unknown"),
    ("fct_treatments", {"bolus_units": None}, "bolus_kind_unknown"),
    ("fct_treatments", {"duplicate_count": -1}, "duplicate_count_below_0"),
    ("fct_medications", {"medication_id": "2"}, "key_duplicate"),
    ("fct_medications", {"medication_hour": 22}, "medication_hour_not_local"),
    ("fct_medications", {"medication_name": None}, "medication_name_null"),
    ("fct_medications", {"dose_units": 0.0}, "dose_units_not_positive"),
    ("fct_glucose_events", {"event_id": "home/high/0-0"}, "key_duplicate"),
    ("fct_glucose_events", {"kind": "lowish"}, "kind_unknown"),
    ("fct_glucose_events", {"extreme_glucose_mg_dl": 70.0}, "extreme_not_beyond_threshold"),
    ("fct_glucose_events", {"kind": "very_high"}, "extreme_not_beyond_threshold"),
    ("fct_glucose_events", {"duration_minutes": 25.0}, "duration_wrong"),
    ("fct_glucose_events", {"ended_at": START + timedelta(minutes=10)}, "duration_wrong"),
    ("fct_glucose_events", {"duration_minutes": 9.5}, "event_too_short"),
    ("fct_glucose_events", {"reading_count": 0}, "reading_count_below_1"),
    ("fct_glucose_events", {"is_nocturnal": False}, "is_nocturnal_wrong"),
    ("fct_daily_glucose_metrics", {"reading_date": date(2024, 10, 16)}, "key_duplicate"),
    ("fct_daily_glucose_metrics", {"reading_count": 0}, "reading_count_below_1"),
    ("fct_daily_glucose_metrics", {"coverage_pct": 100.1}, "coverage_pct_outside_0_to_100"),
    ("fct_daily_glucose_metrics", {"coverage_pct": None}, "coverage_without_expected"),
    ("fct_daily_glucose_metrics", {"time_in_range_pct": -1.0}, "time_in_range_pct_outside_0_to_100"),
    ("fct_daily_glucose_metrics", {"time_in_range_pct": 42.0}, "five_classes_do_not_sum_to_100"),
    ("fct_daily_glucose_metrics", {"time_below_range_pct": 33.0}, "time_below_range_is_not_its_classes"),
    ("fct_daily_glucose_metrics", {"time_above_range_pct": 26.0}, "time_above_range_is_not_its_classes"),
    ("fct_daily_glucose_metrics", {"time_in_tight_range_pct": 42.0}, "tight_range_wider_than_range"),
    (
        "fct_daily_glucose_metrics",
        {"p25_mg_dl": 200.0},
        "min_glucose_mg_dl_to_max_glucose_mg_dl_not_ascending",
    ),
    (
        "fct_daily_glucose_metrics",
        {"avg_glucose_mg_dl": 251.0},
        "min_glucose_mg_dl_to_max_glucose_mg_dl_not_ascending",
    ),
    ("fct_daily_glucose_metrics", {"stddev_glucose_mg_dl": None}, "stddev_known_only_from_two_readings"),
    (
        "fct_daily_glucose_metrics",
        {"stddev_glucose_mg_dl": -1.0},
        "stddev_glucose_mg_dl_negative_or_infinite",
    ),
    ("fct_daily_glucose_metrics", {"cv_pct": 1.0}, "cv_wrong"),
    ("fct_daily_glucose_metrics", {"is_sufficient": True}, "is_sufficient_wrong"),
    ("fct_daily_glucose_metrics", {"lbgi": math.inf}, "lbgi_negative_or_infinite"),
    ("fct_daily_glucose_metrics", {"gri": 100.5}, "gri_outside_0_to_100"),
    ("mrt_glucose_readings", {"hour_of_day": 1}, "key_duplicate"),
    ("mrt_glucose_readings", {"hour_of_day": 24}, "hour_of_day_outside_0_to_23"),
    ("mrt_glucose_readings", {"reading_count": 25}, "more_readings_than_slots"),
    ("mrt_glucose_readings", {"in_range_count": 3}, "classes_do_not_sum_to_reading_count"),
    ("mrt_glucose_readings", {"time_in_range_pct": 34.0}, "time_in_range_wrong"),
    ("mrt_glucose_readings", {"in_range_count": -1}, "in_range_count_below_0"),
    ("mrt_glucose_overview", {"day_name": "Someday"}, "day_name_wrong"),
    ("mrt_glucose_overview", {"time_above_range_pct": 26.0}, "three_classes_do_not_sum_to_100"),
    (
        "mrt_glucose_overview",
        {"time_below_range_pct": 50.0, "time_in_range_pct": 50.0, "time_above_range_pct": None},
        "three_classes_do_not_sum_to_100",
    ),
    (
        "mrt_glucose_overview",
        {"time_below_54_pct": 50.0},
        "time_below_54_pct_to_time_below_range_pct_not_ascending",
    ),
    ("mrt_glucose_overview", {"avg_glucose_mg_dl": None}, "avg_glucose_mg_dl_known_without_readings"),
    ("mrt_glucose_overview", {"estimated_a1c_pct": 6.0}, "gmi_of_too_few_readings"),
    ("mrt_glucose_overview", {"diabetes_management_rating": "Good"}, "rating_wrong"),
    ("mrt_glucose_overview", {"day_status": "FINE"}, "day_status_unknown"),
    ("mrt_glucose_overview", {"time_in_range_30d_pct": 101.0}, "time_in_range_30d_pct_outside_0_to_100"),
    ("mrt_data_quality", {"received_count": 41}, "outcomes_do_not_sum_to_received_count"),
    ("mrt_data_quality", {"coverage_pct": 4.0}, "coverage_without_expected"),
    ("mrt_data_quality", {"gap_count": 1}, "gap_count_wrong"),
    ("mrt_data_quality", {"clipped_count": 13}, "more_clipped_than_kept"),
    ("mrt_data_quality", {"device_count": 23}, "more_devices_than_readings"),
    ("mrt_data_quality", {"late_count": 38}, "more_late_than_accepted"),
    ("mrt_glucose_hourly_patterns", {"day_name": "Wednesday"}, "key_duplicate"),
    ("mrt_glucose_hourly_patterns", {"day_name": "Someday"}, "day_name_unknown"),
    ("mrt_glucose_hourly_patterns", {"reading_count": 400}, "more_readings_than_slots"),
    ("mrt_glucose_hourly_patterns", {"time_below_range_pct": 34.0}, "three_classes_do_not_sum_to_100"),
    ("mrt_glucose_hourly_patterns", {"stddev_glucose_mg_dl": None}, "stddev_known_only_from_two_readings"),
    ("mrt_treatments_daily", {"treatment_date": date(2024, 10, 16)}, "key_duplicate"),
    ("mrt_treatments_daily", {"day_name": "Someday"}, "day_name_wrong"),
    ("mrt_treatments_daily", {"bolus_units": NAN}, "bolus_units_negative_or_infinite"),
    ("mrt_treatments_daily", {"bolus_automatic_units": 2.0}, "kinds_do_not_sum_to_bolus_units"),
    ("mrt_treatments_daily", {"basal_scheduled_units": 3.0}, "sources_do_not_sum_to_basal_units"),
    ("mrt_treatments_daily", {"total_insulin_units": 7.0}, "bolus_and_basal_do_not_sum_to_total"),
    ("mrt_treatments_daily", {"bolus_count": 0}, "insulin_without_boluses"),
    ("mrt_treatments_daily", {"meal_count": 0}, "carbs_without_meals"),
    ("mrt_treatments_daily", {"is_basal_complete": None}, "is_basal_complete_null"),
    ("mrt_medication_effectiveness", {"medication_id": "2"}, "key_duplicate"),
    ("mrt_medication_effectiveness", {"glucose_reduction_mg_dl": -50.0}, "glucose_reduction_wrong"),
    ("mrt_medication_effectiveness", {"nadir_mg_dl": 151.0}, "nadir_above_mean"),
    ("mrt_medication_effectiveness", {"nadir_mg_dl": NAN}, "nadir_mg_dl_outside_20_to_600"),
    ("mrt_medication_effectiveness", {"minutes_to_nadir": 181.0}, "minutes_to_nadir_outside_the_window"),
    (
        "mrt_medication_effectiveness",
        {"after_reading_count": 0},
        "glucose_after_mg_dl_known_without_readings",
    ),
    ("mrt_medication_effectiveness", {"after_reading_count": 38}, "more_readings_than_slots"),
    ("mrt_meal_responses", {"meal_id": "2"}, "key_duplicate"),
    ("mrt_meal_responses", {"carbs_grams": None}, "carbs_grams_null"),
    ("mrt_meal_responses", {"rise_mg_dl": 100.0}, "rise_wrong"),
    ("mrt_meal_responses", {"glucose_120m_mg_dl": NAN}, "glucose_120m_mg_dl_outside_20_to_600"),
    ("mrt_meal_responses", {"minutes_to_peak": 0.0}, "minutes_to_peak_outside_the_window"),
    ("mrt_meal_responses", {"after_reading_count": 0}, "peak_mg_dl_known_without_readings"),
    ("mrt_meal_responses", {"after_reading_count": 38}, "more_readings_than_slots"),
    ("mrt_glucose_periods", {"is_current": False}, "key_duplicate"),
    ("mrt_glucose_periods", {"period_days": 8}, "period_days_unknown"),
    ("mrt_glucose_periods", {"period_start": date(2024, 10, 11)}, "period_is_not_its_days"),
    ("mrt_glucose_periods", {"day_count": 8}, "more_days_than_the_period"),
    ("mrt_glucose_periods", {"day_count": 0}, "days_without_readings"),
    ("mrt_glucose_periods", {"coverage_pct": 81.0}, "coverage_wrong"),
    ("mrt_glucose_periods", {"is_sufficient": False}, "is_sufficient_wrong"),
    ("mrt_glucose_periods", {"time_in_range_pct": 42.0}, "five_classes_do_not_sum_to_100"),
    ("mrt_glucose_periods", {"avg_glucose_mg_dl": NAN}, "avg_glucose_mg_dl_outside_20_to_600"),
    ("mrt_glucose_periods", {"avg_glucose_mg_dl": None}, "avg_glucose_mg_dl_known_without_readings"),
    ("mrt_glucose_periods", {"gmi_pct": 6.0}, "gmi_wrong"),
    ("mrt_glucose_periods", {"time_in_target_range_pct": 51.0}, "three_shares_do_not_sum_to_100"),
    ("mrt_glucose_periods", {"low_event_count": None}, "low_event_count_null"),
    (
        "mrt_glucose_periods",
        {"target_high_mg_dl": 69.0},
        "target_low_mg_dl_to_target_high_mg_dl_not_ascending",
    ),
    ("mrt_glucose_periods", {"time_in_range_target_pct": None}, "time_in_range_target_pct_null"),
    ("mrt_glucose_periods", {"meets_time_in_range_target": True}, "meets_time_in_range_target_wrong"),
    ("mrt_glucose_periods", {"meets_cv_target": None}, "meets_cv_target_wrong"),
    ("mrt_glucose_periods", {"meets_time_below_54_target": True}, "meets_time_below_54_target_wrong"),
    ("mrt_glucose_periods", {"cv_change_pct": NAN}, "cv_change_pct_of_no_comparison"),
    ("mrt_glucose_agp", {"bin_start_minute": 1425}, "key_duplicate"),
    ("mrt_glucose_agp", {"bin_start_minute": 1440}, "bin_off_the_clock"),
    ("mrt_glucose_agp", {"bin_start_minute": 20}, "bin_off_the_clock"),
    ("mrt_glucose_agp", {"p25_mg_dl": 59.0}, "p05_mg_dl_to_p95_mg_dl_not_ascending"),
    ("mrt_glucose_agp", {"reading_count": 4}, "sufficient_with_few_readings"),
    (
        "mrt_glucose_agp",
        {"reading_count": 1, "is_sufficient": False},
        "percentiles_of_a_single_reading_differ",
    ),
    ("mrt_glucose_nights", {"night_date": date(2024, 10, 16)}, "key_duplicate"),
    (
        "mrt_glucose_nights",
        {"min_glucose_mg_dl": 101.0},
        "min_glucose_mg_dl_to_avg_glucose_mg_dl_not_ascending",
    ),
    ("mrt_glucose_nights", {"avg_glucose_mg_dl": None}, "avg_glucose_mg_dl_known_without_readings"),
    ("mrt_glucose_nights", {"reading_count": 0}, "min_glucose_mg_dl_known_without_readings"),
    (
        "mrt_glucose_nights",
        {"slope_mg_dl_per_hour": None},
        "slope_mg_dl_per_hour_known_only_from_two_readings",
    ),
    ("mrt_glucose_nights", {"slope_mg_dl_per_hour": NAN}, "slope_infinite"),
    ("mrt_glucose_nights", {"time_below_range_pct": 11.0}, "below_and_in_range_above_100"),
    ("mrt_glucose_nights", {"reading_count": 0}, "dawn_rise_of_no_night"),
    ("mrt_glucose_nights", {"dawn_rise_mg_dl": math.inf}, "dawn_rise_infinite"),
    ("mrt_glucose_events", {"event_id": "home/high/0-0"}, "key_duplicate"),
    ("mrt_glucose_recent", {"slot_start": START + timedelta(minutes=1)}, "slot_start_off_grid"),
    ("mrt_glucose_recent", {"reading_date": None}, "reading_date_null"),
    ("mrt_glucose_recent", {"glucose_mg_dl": 70.0}, "glucose_category_wrong"),
    ("mrt_current_glucose", {"site_id": "clinic"}, "key_duplicate"),
    ("mrt_current_glucose", {"glucose_mg_dl": 19.0}, "glucose_mg_dl_outside_20_to_600"),
    ("mrt_current_glucose", {"glucose_change_mg_dl": NAN}, "change_infinite"),
]


@pytest.mark.parametrize(("name", "change", "check"), BROKEN)
def test_an_error_is_found(name: str, change: Row, check: str) -> None:
    rows = SOUND[name]()
    place = 1 if name == "fct_glucose_readings" else 0
    rows[place] |= change
    assert found(name, rows).get(check) == "error"


@pytest.mark.parametrize(
    ("name", "change", "check"),
    [
        ("fct_glucose_readings", {"reading_date": date(2024, 10, 14)}, "reading_date_not_wall_date"),
        (
            "fct_glucose_readings",
            {"glucose_change_mg_dl": 210.0, "rate_mg_dl_per_minute": 21.0},
            "rate_implausible",
        ),
        ("fct_treatments", {"insulin_units": -1.0}, "insulin_units_negative"),
        ("fct_treatments", {"carbs_grams": -1.0}, "carbs_grams_negative"),
        ("fct_treatments", {"glucose_mg_dl": 19.0}, "glucose_mg_dl_outside_20_to_600"),
        ("fct_daily_glucose_metrics", {"expected_count": 11}, "more_readings_than_expected"),
        ("fct_daily_glucose_metrics", {"avg_glucose_mg_dl": 79.0}, "avg_glucose_mg_dl_outside_80_to_250"),
        ("mrt_glucose_overview", {"avg_glucose_mg_dl": 79.0}, "avg_glucose_mg_dl_outside_80_to_250"),
        ("mrt_glucose_hourly_patterns", {"avg_glucose_mg_dl": 251.0}, "avg_glucose_mg_dl_outside_80_to_250"),
        (
            "mrt_treatments_daily",
            {"bolus_units": 307.0, "bolus_manual_units": 304.0, "total_insulin_units": 319.0},
            "more_than_300_units",
        ),
    ],
)
def test_a_warning_is_found(name: str, change: Row, check: str) -> None:
    rows = SOUND[name]()
    rows[1] |= change
    assert found(name, rows).get(check) == "warning"


def test_a_travelled_day_is_no_error() -> None:
    """The day on which a site moves west lasts past the old zone's midnight."""
    rows = readings()
    for row in rows[:12]:
        row |= {"reading_date": date(2024, 10, 14), "day_of_week": 1, "day_name": "Monday"}
    assert "error" not in found("fct_glucose_readings", rows).values()


def test_findings_say_where_and_how_many() -> None:
    rows = daily()
    for row in rows:
        row["gri"] = 101.0
    rows[0]["cv_pct"] = 1.0
    findings = check_frame("fct_daily_glucose_metrics", framed("fct_daily_glucose_metrics", rows))
    assert [(one.severity, one.check, one.row_count) for one in findings] == [
        ("error", "gri_outside_0_to_100", 2),
        ("error", "cv_wrong", 1),
        ("warning", "time_below_range_pct_above_30", 2),
    ]
    assert findings[0].example_keys == ("home 2024-10-15", "home 2024-10-16")
    assert str(findings[0]) == (
        "fct_daily_glucose_metrics: gri outside 0 to 100 in 2 rows, for example home 2024-10-15"
    )
    assert str(findings[1]).startswith("fct_daily_glucose_metrics: cv wrong in 1 row, for example")


def test_a_row_that_breaks_a_rule_in_two_ways_counts_once() -> None:
    rows = daily()
    rows[0]["min_glucose_mg_dl"] = 300.0
    findings = check_frame("fct_daily_glucose_metrics", framed("fct_daily_glucose_metrics", rows))
    assert findings[0].check == "min_glucose_mg_dl_to_max_glucose_mg_dl_not_ascending"
    assert findings[0].row_count == 1


def test_a_null_in_the_key_does_not_hide_the_row() -> None:
    rows = daily()
    rows[0]["reading_date"] = None
    finding = check_frame("fct_daily_glucose_metrics", framed("fct_daily_glucose_metrics", rows))[0]
    assert finding.example_keys == ("home",)


def test_engines_may_differ_in_width() -> None:
    frame = framed("fct_glucose_readings", readings()).with_columns(
        pl.col("hour_of_day").cast(pl.Int8),
        pl.col("is_in_range").cast(pl.Int32),
        pl.col("glucose_mg_dl").cast(pl.Decimal(6, 2)),
        pl.col("slot_start").dt.cast_time_unit("ms").dt.convert_time_zone("Europe/Berlin"),
        pl.col("reading_timestamp_local").dt.cast_time_unit("ns"),
    )
    assert check_frame("fct_glucose_readings", frame) == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda frame: frame.drop("glucose_mg_dl"), "glucose_mg_dl"),
        (lambda frame: frame.with_columns(glucose_mg_dl=pl.lit("120")), "glucose_mg_dl"),
        (lambda frame: frame.with_columns(pl.col("slot_start").dt.replace_time_zone(None)), "slot_start"),
        (
            lambda frame: frame.with_columns(pl.col("reading_timestamp_local").dt.replace_time_zone("UTC")),
            "local",
        ),
        (lambda frame: frame.with_columns(hour_of_day=pl.lit(1.5)), "hour_of_day"),
    ],
)
def test_another_shape_is_a_broken_contract(spoil: Callable[[pl.DataFrame], pl.DataFrame], says: str) -> None:
    with pytest.raises(ContractError, match=says):
        check_frame("fct_glucose_readings", spoil(framed("fct_glucose_readings", readings())))


def test_a_model_without_contract() -> None:
    with pytest.raises(ContractError, match="mrt_unheard_of"):
        check_frame("mrt_unheard_of", pl.DataFrame())


def test_every_column_is_described() -> None:
    for schema in AUDITED_MODELS.values():
        assert schema.description
        assert all(column.description for column in schema.columns.values())
