"""Contract of the nights: 00:00 to 06:00 of the wall clock, one a site and local day."""

import polars as pl

from include.schemas.measures import (
    ascending,
    count,
    glucose,
    known_with_readings,
    model,
    percent,
    plain,
    positive,
)
from include.schemas.rules import rule

_count = pl.col("reading_count")


def _finite(name: str) -> pl.Expr:
    return pl.col(name).is_finite().fill_null(True)


MRT_GLUCOSE_NIGHTS = model(
    "mrt_glucose_nights",
    "One row a site and night, nights without readings included.",
    ("site_id", "night_date"),
    [
        plain("site_id", pl.String, "Site."),
        plain("night_date", pl.Date, "Local day of the morning."),
        count("reading_count", "Slots with a reading."),
        percent("coverage_pct", "Expected slots that hold a reading.", filled=False),
        glucose("avg_glucose_mg_dl", "Mean.", filled=False),
        glucose("min_glucose_mg_dl", "Least.", filled=False),
        positive("stddev_glucose_mg_dl", "Sample standard deviation.", filled=False),
        percent("time_in_range_pct", "70 to 180 mg/dL.", filled=False),
        percent("time_below_range_pct", "Below 70 mg/dL.", filled=False),
        plain("slope_mg_dl_per_hour", pl.Float64, "Of the least-squares line.", filled=False),
        plain("dawn_rise_mg_dl", pl.Float64, "First reading from 06:00 on less the least.", filled=False),
    ],
    [
        ascending("min_glucose_mg_dl", "avg_glucose_mg_dl"),
        *known_with_readings("avg_glucose_mg_dl", "min_glucose_mg_dl", "time_in_range_pct"),
        *(
            rule(f"{name}_known_only_from_two_readings", pl.col(name).is_null() == (_count < 2))
            for name in ("stddev_glucose_mg_dl", "slope_mg_dl_per_hour")
        ),
        rule(
            "below_and_in_range_above_100",
            (pl.col("time_in_range_pct") + pl.col("time_below_range_pct") < 100 + 1e-6).fill_null(True),
        ),
        rule("slope_infinite", _finite("slope_mg_dl_per_hour")),
        rule("dawn_rise_of_no_night", (_count > 0) | pl.col("dawn_rise_mg_dl").is_null()),
        rule("dawn_rise_infinite", _finite("dawn_rise_mg_dl")),
    ],
)
