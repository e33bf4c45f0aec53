"""What contracts ask of the statistics of a group of readings, of a day or a period alike."""

import polars as pl

from include.schemas.measures import (
    EPSILON,
    Measure,
    ascending,
    equal,
    glucose,
    percent,
    positive,
    sufficient_by_coverage,
    sums_to,
)
from include.schemas.rules import rule

_CLASSES = (
    "time_below_54_pct",
    "time_54_69_pct",
    "time_in_range_pct",
    "time_181_250_pct",
    "time_above_250_pct",
)


def statistics(*, filled: bool) -> list[Measure]:
    """The columns; those that one reading is enough for are never null where `filled`."""
    return [
        glucose("avg_glucose_mg_dl", "Mean.", filled=filled),
        glucose("median_glucose_mg_dl", "Median.", filled=filled),
        glucose("min_glucose_mg_dl", "Least.", filled=filled),
        glucose("max_glucose_mg_dl", "Greatest.", filled=filled),
        positive("stddev_glucose_mg_dl", "Sample standard deviation; null for one reading.", filled=False),
        positive("cv_pct", "100 x standard deviation / mean.", filled=False),
        *(percent(name, "Share of the readings in this class.", filled=filled) for name in _CLASSES),
        percent("time_below_range_pct", "Below 70 mg/dL.", filled=filled),
        percent("time_in_tight_range_pct", "70 to 140 mg/dL.", filled=filled),
        percent("time_above_range_pct", "Above 180 mg/dL.", filled=filled),
        glucose("p05_mg_dl", "5th percentile.", filled=filled),
        glucose("p25_mg_dl", "25th percentile.", filled=filled),
        glucose("p75_mg_dl", "75th percentile.", filled=filled),
        glucose("p95_mg_dl", "95th percentile.", filled=filled),
        positive("lbgi", "Low blood glucose index.", filled=filled),
        positive("hbgi", "High blood glucose index.", filled=filled),
        percent("gri", "Glycemia risk index.", filled=filled),
        positive("j_index", "J-index.", filled=False),
    ]


STATISTICS_AGREE = (
    sums_to(pl.lit(100.0), _CLASSES, "five_classes_do_not_sum_to_100"),
    sums_to(pl.col("time_below_range_pct"), _CLASSES[:2], "time_below_range_is_not_its_classes"),
    sums_to(pl.col("time_above_range_pct"), _CLASSES[3:], "time_above_range_is_not_its_classes"),
    rule(
        "tight_range_wider_than_range",
        (pl.col("time_in_tight_range_pct") <= pl.col("time_in_range_pct") + EPSILON).fill_null(True),
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
    rule(
        "stddev_known_only_from_two_readings",
        pl.col("stddev_glucose_mg_dl").is_null() == (pl.col("reading_count") < 2),
    ),
    equal("cv_pct", 100 * pl.col("stddev_glucose_mg_dl") / pl.col("avg_glucose_mg_dl"), "cv_wrong"),
    sufficient_by_coverage(),
)
"""Rules over these columns, `reading_count`, `coverage_pct` and `is_sufficient`."""
