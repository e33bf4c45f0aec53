"""Contracts of the published marts."""

import polars as pl

from include.schemas.measures import (
    ascending,
    count,
    equal,
    glucose,
    known_with_readings,
    model,
    percent,
    plain,
    plausible_lows,
    plausible_mean,
    positive,
    sufficient_by_coverage,
    sums_to,
    weekday_of,
)
from include.schemas.rules import rule

_HOUR_COUNTS = (
    "hypoglycemia_count",
    "in_range_count",
    "hyperglycemia_mild_count",
    "hyperglycemia_severe_count",
)
_THREE_CLASSES = ("time_below_range_pct", "time_in_range_pct", "time_above_range_pct")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_hour = pl.col("hour_of_day")
_valid_hour = rule("hour_of_day_outside_0_to_23", _hour.is_between(0, 23))
_tir = pl.col("time_in_range_pct")
_rating = (
    pl.when(~pl.col("is_sufficient"))
    .then(None)
    .when(_tir >= 70)
    .then(pl.lit("Excellent"))
    .when(_tir >= 50)
    .then(pl.lit("Good"))
    .when(_tir >= 30)
    .then(pl.lit("Needs Improvement"))
    .otherwise(pl.lit("Critical"))
)
_gmi_known = pl.col("estimated_a1c_coverage_pct") >= 70

MRT_GLUCOSE_READINGS = model(
    "mrt_glucose_readings",
    "Glucose of one site, local day and hour.",
    ("site_id", "reading_date", "hour_of_day"),
    [
        plain("site_id", pl.String, "Site."),
        plain("reading_date", pl.Date, "Local day."),
        plain("hour_of_day", pl.Int64, "Local hour."),
        count("reading_count", "Slots with a reading.", least=1),
        glucose("avg_glucose_mg_dl", "Mean."),
        glucose("min_glucose_mg_dl", "Least."),
        glucose("max_glucose_mg_dl", "Greatest."),
        percent("time_in_range_pct", "70 to 180 mg/dL."),
        *(count(name, "Readings of this class.") for name in _HOUR_COUNTS),
    ],
    [
        _valid_hour,
        rule(
            "more_readings_than_slots", pl.col("reading_count") <= 24
        ),  # an hour that the clock repeats has 24
        sums_to(pl.col("reading_count"), _HOUR_COUNTS, "classes_do_not_sum_to_reading_count"),
        ascending("min_glucose_mg_dl", "avg_glucose_mg_dl", "max_glucose_mg_dl"),
        equal(
            "time_in_range_pct",
            100 * pl.col("in_range_count") / pl.col("reading_count"),
            "time_in_range_wrong",
        ),
    ],
)

MRT_GLUCOSE_OVERVIEW = model(
    "mrt_glucose_overview",
    "One row a site and local day, days without readings included, from its first day to data_through or to"
    " its last reading.",
    ("site_id", "reading_date"),
    [
        plain("site_id", pl.String, "Site."),
        plain("reading_date", pl.Date, "Local day."),
        plain("day_name", pl.String, "Its weekday."),
        count("reading_count", "Slots with a reading."),
        count("expected_count", "Slots of the day, of the open day those before data_through."),
        percent("coverage_pct", "Expected slots that hold a reading.", filled=False),
        plain("is_sufficient", pl.Boolean, "Whether coverage is at least 70 %."),
        glucose("avg_glucose_mg_dl", "Mean.", filled=False),
        glucose("min_glucose_mg_dl", "Least.", filled=False),
        glucose("max_glucose_mg_dl", "Greatest.", filled=False),
        positive("stddev_glucose_mg_dl", "Sample standard deviation.", filled=False),
        positive("cv_pct", "100 x standard deviation / mean.", filled=False),
        *(percent(name, "Share of the readings in this class.", filled=False) for name in _THREE_CLASSES),
        percent("time_below_54_pct", "Below 54 mg/dL.", filled=False),
        percent("time_above_250_pct", "Above 250 mg/dL.", filled=False),
        glucose("avg_glucose_7d_mg_dl", "Mean of the trailing 7 days' readings.", filled=False),
        *(
            percent(
                f"time_in_range_{days}d_pct",
                f"In range, of the trailing {days} days' readings.",
                filled=False,
            )
            for days in (7, 14, 30)
        ),
        positive("estimated_a1c_pct", "GMI of the trailing 14 days.", filled=False),
        percent("estimated_a1c_coverage_pct", "Coverage of the trailing 14 days.", filled=False),
        positive("estimated_a1c_7d_avg", "Mean GMI of the trailing 7 days.", filled=False),
        plain("diabetes_management_rating", pl.String, "Rating of a sufficient day.", filled=False),
        plain("day_status", pl.String, "CRITICAL, ALERT or OK; no medical alarm.", filled=False),
    ],
    [
        weekday_of("reading_date"),
        sums_to(pl.lit(100.0), _THREE_CLASSES, "three_classes_do_not_sum_to_100"),
        ascending("time_below_54_pct", "time_below_range_pct"),
        ascending("time_above_250_pct", "time_above_range_pct"),
        ascending("min_glucose_mg_dl", "avg_glucose_mg_dl", "max_glucose_mg_dl"),
        *known_with_readings("avg_glucose_mg_dl", "time_in_range_pct", "day_status"),
        sufficient_by_coverage(),
        rule("rating_wrong", pl.col("diabetes_management_rating").eq_missing(_rating)),
        rule("day_status_unknown", pl.col("day_status").is_in(["CRITICAL", "ALERT", "OK"]).fill_null(True)),
        rule("gmi_of_too_few_readings", pl.col("estimated_a1c_pct").is_null() | _gmi_known.fill_null(False)),
        plausible_mean("avg_glucose_mg_dl"),
        plausible_lows("time_below_range_pct"),
    ],
)

MRT_GLUCOSE_HOURLY_PATTERNS = model(
    "mrt_glucose_hourly_patterns",
    "Glucose of one site by weekday and hour over the last 90 ended days.",
    ("site_id", "day_name", "hour_of_day"),
    [
        plain("site_id", pl.String, "Site."),
        plain("day_name", pl.String, "Weekday."),
        plain("hour_of_day", pl.Int64, "Local hour."),
        count("reading_count", "Slots with a reading.", least=1),
        glucose("avg_glucose_mg_dl", "Mean."),
        glucose("median_glucose_mg_dl", "Median."),
        positive("stddev_glucose_mg_dl", "Sample standard deviation; null for one reading.", filled=False),
        *(percent(name, "Share of the readings in this class.") for name in _THREE_CLASSES),
    ],
    [
        _valid_hour,
        rule("day_name_unknown", pl.col("day_name").is_in(_WEEKDAYS)),
        rule(
            "more_readings_than_slots", pl.col("reading_count") <= 14 * 24
        ),  # 90 days hold a weekday 13 times
        sums_to(pl.lit(100.0), _THREE_CLASSES, "three_classes_do_not_sum_to_100"),
        rule(
            "stddev_known_only_from_two_readings",
            pl.col("stddev_glucose_mg_dl").is_null() == (pl.col("reading_count") == 1),
        ),
        plausible_mean("avg_glucose_mg_dl"),
    ],
)
