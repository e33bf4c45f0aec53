"""Contract of the daily metrics: one row a site and local day that has readings."""

import polars as pl

from include.schemas.measures import (
    count,
    model,
    percent,
    plain,
    plausible_lows,
    plausible_mean,
    weekday_of,
)
from include.schemas.rules import WARNING, rule
from include.schemas.statistics import STATISTICS_AGREE, statistics

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
        *statistics(filled=True),
    ],
    [
        weekday_of("reading_date"),
        *STATISTICS_AGREE,
        rule(
            "coverage_without_expected", pl.col("coverage_pct").is_null() == (pl.col("expected_count") == 0)
        ),
        rule("more_readings_than_expected", pl.col("reading_count") <= pl.col("expected_count"), WARNING),
        plausible_mean("avg_glucose_mg_dl"),
        plausible_lows("time_below_range_pct"),
    ],
)
