"""Rows as the marts publish them, of a made-up person; a test changes what it is about."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from include.report.marts import PROFILE_DAYS, SiteMarts

Row = dict[str, Any]

LAST_DAY = date(2024, 10, 15)
NOW = datetime(2024, 10, 16, 9, 30, tzinfo=UTC)
SITE = {"site_id": "home", "zone": "Europe/Berlin", "target_set": "standard", "display_units": "mg/dL"} | {
    "is_demo": False,
    "is_current": True,
    "valid_from": date(1, 1, 1),
    "valid_to": None,
    "valid_from_at": datetime(1, 1, 1, tzinfo=UTC),
    "valid_to_at": None,
}
CURRENT = {"site_id": "home", "data_through": NOW, "glucose_mg_dl": 120.0}
TARGETS = {
    "target_set": "standard",
    "target_low_mg_dl": 70.0,
    "target_high_mg_dl": 180.0,
    "time_in_range_target_pct": 70.0,
    "time_below_range_target_pct": 4.0,
    "time_below_54_target_pct": 1.0,
    "time_above_range_target_pct": 25.0,
    "time_above_250_target_pct": 5.0,
    "cv_target_pct": 36.0,
}
SHARES = {
    "time_below_54_pct": 0.4,
    "time_54_69_pct": 2.75,
    "time_below_range_pct": 3.15,
    "time_in_range_pct": 71.25,
    "time_in_tight_range_pct": 42.5,
    "time_above_range_pct": 25.6,
    "time_181_250_pct": 19.5,
    "time_above_250_pct": 6.1,
    "time_below_target_range_pct": 3.15,
    "time_in_target_range_pct": 71.25,
    "time_above_target_range_pct": 25.6,
}
STATISTICS = SHARES | {
    "avg_glucose_mg_dl": 151.6,
    "median_glucose_mg_dl": 147.0,
    "min_glucose_mg_dl": 44.0,
    "max_glucose_mg_dl": 312.0,
    "stddev_glucose_mg_dl": 54.1,
    "cv_pct": 35.68,
    "p05_mg_dl": 78.0,
    "p25_mg_dl": 112.0,
    "p75_mg_dl": 184.0,
    "p95_mg_dl": 256.0,
    "lbgi": 0.8,
    "hbgi": 5.1,
    "gri": 37.4,
    "j_index": 42.3,
    "gmi_pct": 6.94,
}
VERDICTS = {
    "meets_time_in_range_target": True,
    "meets_time_below_range_target": True,
    "meets_time_below_54_target": True,
    "meets_time_above_range_target": False,
    "meets_time_above_250_target": False,
    "meets_cv_target": True,
}
CHANGES = {"avg_glucose_change_mg_dl": -6.4, "time_in_range_change_pct": 3.2, "cv_change_pct": -1.1}
COUNTS = {"low_event_count": 9, "very_low_event_count": 1, "high_event_count": 24, "very_high_event_count": 6}


def period(days: int = 14, *, is_current: bool = True, **changed: Any) -> Row:
    """A row of `mrt_glucose_periods`."""
    last = LAST_DAY if is_current else LAST_DAY - timedelta(days=days)
    row = {
        "site_id": "home",
        "period_days": days,
        "is_current": is_current,
        "period_start": last - timedelta(days=days - 1),
        "period_end": last,
        "day_count": days,
        "reading_count": 280 * days,
        "expected_count": 288 * days,
        "coverage_pct": 97.2,
        "is_sufficient": True,
        **TARGETS,
        **STATISTICS,
        **VERDICTS,
        **(CHANGES if is_current else dict.fromkeys(CHANGES)),
        **COUNTS,
    }
    return row | changed


def empty_period(days: int = 14, *, is_current: bool = True) -> Row:
    """The row of a period without a reading: null where there is nothing to count."""
    nothing: Row = dict.fromkeys([*STATISTICS, *VERDICTS, *CHANGES])
    counts = {"day_count": 0, "reading_count": 0, "coverage_pct": 0.0, "is_sufficient": False}
    return period(days, is_current=is_current, **nothing, **counts, **dict.fromkeys(COUNTS, 0))


def bins(**changed: Any) -> list[Row]:
    """The rows of `mrt_glucose_agp`."""
    return [
        {
            "site_id": "home",
            "bin_start_minute": start,
            "reading_count": 42,
            "is_sufficient": True,
            **{
                f"p{level}_mg_dl": 150 + offset + spread * np.sin(start / 1440 * 6.28)
                for level, offset, spread in (
                    ("05", -75, 10),
                    ("25", -35, 20),
                    ("50", 0, 30),
                    ("75", 40, 40),
                    ("95", 95, 50),
                )
            },
            **changed,
        }
        for start in range(0, 1440, 15)
    ]


def overview(days: int = 14, **changed: Any) -> list[Row]:
    """The rows of `mrt_glucose_overview`."""
    return [
        {
            "site_id": "home",
            "reading_date": of,
            "coverage_pct": 97.2,
            "is_sufficient": True,
            "avg_glucose_mg_dl": 150.0,
            "time_in_range_pct": 70.0,
            **changed,
        }
        for of in dates(days)
    ]


def slots(days: int = PROFILE_DAYS, glucose_mg_dl: float | None = None) -> list[Row]:
    """The rows of `mrt_glucose_recent`; a curve, or always the same glucose."""
    return [
        {
            "slot_start": (wall - timedelta(hours=2)).replace(tzinfo=UTC),
            "reading_timestamp_local": wall,
            "reading_date": wall.date(),
            "glucose_mg_dl": glucose_mg_dl or 150 + 90 * float(np.sin(n / 40)),
        }
        for n, wall in enumerate(
            datetime.combine(of, datetime.min.time()) + timedelta(minutes=5 * slot)
            for of in dates(days)
            for slot in range(288)
        )
    ]


def events(count: int = 8) -> list[Row]:
    """The rows of `mrt_glucose_events`: lows and highs by turns, each longer and further off."""
    start = datetime(2024, 10, 14, 3, 5)  # noqa: DTZ001 (wall time)
    return [
        {
            "kind": "high" if n % 2 else "low",
            "started_at": (start + timedelta(hours=2 * n)).replace(tzinfo=UTC),
            "started_at_local": start + timedelta(hours=2 * n),
            "event_date": LAST_DAY,
            "duration_minutes": 20.0 + 15 * n,
            "extreme_glucose_mg_dl": 200.0 + 10 * n if n % 2 else 65.0 - n,
        }
        for n in range(count)
    ]


def hours(**changed: Any) -> list[Row]:
    """The rows of `mrt_glucose_hourly_patterns`."""
    return [
        {
            "day_of_week": day,
            "hour_of_day": hour,
            "reading_count": 150,
            "avg_glucose_mg_dl": 60.0 + 9 * hour + day,
        }
        | changed
        for day in range(1, 8)
        for hour in range(24)
    ]


def treatments(days: int = 14, **changed: Any) -> list[Row]:
    """The rows of `mrt_treatments_daily`."""
    return [
        {
            "treatment_date": of,
            "is_basal_complete": True,
            "bolus_units": 21.5,
            "basal_units": 18.0,
            "total_insulin_units": 39.5,
            "carbs_grams": 180.0,
            **changed,
        }
        for of in dates(days)
    ]


def quality(days: int = 14, gap_count: int = 1) -> list[Row]:
    """The rows of `mrt_data_quality`; each day's gap is longer than that of the day before."""
    return [
        {"reading_date": of, "gap_count": gap_count, "longest_gap_minutes": 35.0 + n if gap_count else None}
        for n, of in enumerate(dates(days))
    ]


def marts(days: int = 14, **changed: Any) -> SiteMarts:
    """All that the report of the person reads; what is named is replaced."""
    of = {
        "site": SITE,
        "version": "v20241016T093000",
        "published_at": NOW,
        "current": CURRENT,
        "period": period(days),
        "before": period(days, is_current=False),
        "hours_period": period(90),
        "bins": bins(),
        "overview": overview(days),
        "slots": slots(min(days, PROFILE_DAYS)),
        "events": events(),
        "hours": hours(),
        "treatments": treatments(days),
        "quality": quality(days),
    }
    return SiteMarts(**of | changed)


def dates(days: int) -> Iterator[date]:
    return (LAST_DAY - timedelta(days=ago) for ago in reversed(range(days)))
