"""Contract of the daily metrics: one row a site and local day that has readings."""

import polars as pl

from include.schemas.measures import (
    EPSILON,
    ascending,
    count,
    equal,
    glucose,
    model,
    percent,
    plain,
    plausible_lows,
    plausible_mean,
    positive,
    sums_to,
    weekday_of,
)
from include.schemas.rules import WARNING, rule

_CLASSES = (
    "time_below_54_pct",
    "time_54_69_pct",
    "time_in_range_pct",
    "time_181_250_pct",
    "time_above_250_pct",
)
_single = pl.col("reading_count") == 1

FCT_DAILY_GLUCOSE_METRICS = model(
    "fct_daily_glucose_metrics",
    "Glucose of one site and local day; percentages are of its readings.",
    ("site_id", "reading_date"),
    [
        plain("site_id", pl.String, "Site."),
        plain("reading_date", pl.Date, "Local day."),
        plain("day_name", pl.String, "Its weekday."),
        count("reading_count", "Slots with a reading.", least=1),
        count("expected_count", "Slots of the day, of the open day those before data_through."),
        percent("coverage_pct", "Expected slots that hold a reading.", filled=False),
        plain("is_sufficient", pl.Boolean, "Whether coverage is at least 70 %."),
        glucose("avg_glucose_mg_dl", "Mean."),
        glucose("median_glucose_mg_dl", "Median."),
        glucose("min_glucose_mg_dl", "Least."),
        glucose("max_glucose_mg_dl", "Greatest."),
        positive("stddev_glucose_mg_dl", "Sample standard deviation; null for one reading.", filled=False),
        positive("cv_pct", "100 x standard deviation / mean.", filled=False),
        *(percent(name, "Share of the readings in this class.") for name in _CLASSES),
        percent("time_below_range_pct", "Below 70 mg/dL."),
        percent("time_in_tight_range_pct", "70 to 140 mg/dL."),
        percent("time_above_range_pct", "Above 180 mg/dL."),
        glucose("p05_mg_dl", "5th percentile."),
        glucose("p25_mg_dl", "25th percentile."),
        glucose("p75_mg_dl", "75th percentile."),
        glucose("p95_mg_dl", "95th percentile."),
        positive("lbgi", "Low blood glucose index."),
        positive("hbgi", "High blood glucose index."),
        percent("gri", "Glycemia risk index."),
        positive("j_index", "J-index.", filled=False),
    ],
    [
        weekday_of("reading_date"),
        sums_to(pl.lit(100.0), _CLASSES, "five_classes_do_not_sum_to_100"),
        sums_to(pl.col("time_below_range_pct"), _CLASSES[:2], "time_below_range_is_not_its_classes"),
        sums_to(pl.col("time_above_range_pct"), _CLASSES[3:], "time_above_range_is_not_its_classes"),
        rule(
            "tight_range_wider_than_range",
            pl.col("time_in_tight_range_pct") <= pl.col("time_in_range_pct") + EPSILON,
        ),
        ascending(
            "min_glucose_mg_dl",
            "p05_mg_dl",
            "p25_mg_dl",
            "median_glucose_mg_dl",
            "p75_mg_dl",
            "p95_mg_dl",
            "max_glucose_mg_dl",
        ),
        ascending("min_glucose_mg_dl", "avg_glucose_mg_dl", "max_glucose_mg_dl"),
        rule("stddev_known_only_from_two_readings", pl.col("stddev_glucose_mg_dl").is_null() == _single),
        equal("cv_pct", 100 * pl.col("stddev_glucose_mg_dl") / pl.col("avg_glucose_mg_dl"), "cv_wrong"),
        rule(
            "coverage_without_expected", pl.col("coverage_pct").is_null() == (pl.col("expected_count") == 0)
        ),
        rule(
            "is_sufficient_wrong", pl.col("is_sufficient") == (pl.col("coverage_pct") >= 70).fill_null(False)
        ),
        rule("more_readings_than_expected", pl.col("reading_count") <= pl.col("expected_count"), WARNING),
        plausible_mean("avg_glucose_mg_dl"),
        plausible_lows("time_below_range_pct"),
    ],
)
