"""Contract of the readings: one a site and 5-minute slot."""

import polars as pl

from include.schemas.columns import INSTANT, LOCAL
from include.schemas.measures import equal, glucose, model, plain, weekday_of
from include.schemas.rules import WARNING, rule

_MOST_MG_DL_PER_MINUTE = 20
_SHORTEST_GAP_MINUTES, _LONGEST_GAP_MINUTES = 2, 15

_glucose = pl.col("glucose_mg_dl")
_local = pl.col("reading_timestamp_local")
# A day on which the site moves to another zone goes on past the old zone's midnight, or ends before it.
_days_from_wall_date = (_local.dt.date() - pl.col("reading_date")).dt.total_days()
GLUCOSE_CATEGORY = (
    pl.when(_glucose < 70)
    .then(pl.lit("hypoglycemia"))
    .when(_glucose <= 180)
    .then(pl.lit("in_range"))
    .when(_glucose <= 250)
    .then(pl.lit("hyperglycemia_mild"))
    .otherwise(pl.lit("hyperglycemia_severe"))
)
_minutes = pl.col("minutes_since_last_reading")
_rate = (
    pl.when(_minutes.is_between(_SHORTEST_GAP_MINUTES, _LONGEST_GAP_MINUTES))
    .then(pl.col("glucose_change_mg_dl") / _minutes)
    .otherwise(None)
)

FCT_GLUCOSE_READINGS = model(
    "fct_glucose_readings",
    "One reading a site and 5-minute slot.",
    ("site_id", "slot_start"),
    [
        plain("site_id", pl.String, "Site."),
        plain("slot_start", INSTANT, "Start of the 5-minute slot."),
        plain("entry_id", pl.String, "Entry that was kept for the slot."),
        plain("reading_timestamp", INSTANT, "Instant of the reading."),
        plain("reading_timestamp_local", LOCAL, "Wall time at the site."),
        plain("reading_date", pl.Date, "Local day."),
        plain("hour_of_day", pl.Int64, "Local hour."),
        plain("day_of_week", pl.Int64, "Weekday of the local day, 1 is Monday."),
        plain("day_name", pl.String, "Its name."),
        glucose("glucose_mg_dl", "Glucose."),
        plain("glucose_category", pl.String, "Class of the glucose."),
        plain("is_in_range", pl.Int64, "1 from 70 to 180 mg/dL, else 0."),
        plain("glucose_change_mg_dl", pl.Float64, "Change since the reading before.", filled=False),
        plain("minutes_since_last_reading", pl.Float64, "Gap to the reading before.", filled=False),
        plain("rate_mg_dl_per_minute", pl.Float64, "Change a minute; null after a gap.", filled=False),
        plain("is_clipped", pl.Boolean, "Whether the sensor's limit stands for a lower or higher value."),
    ],
    [
        rule("slot_start_off_grid", pl.col("slot_start").dt.truncate("5m") == pl.col("slot_start")),
        rule("reading_outside_slot", pl.col("reading_timestamp").dt.truncate("5m") == pl.col("slot_start")),
        rule("reading_date_far_from_wall_date", _days_from_wall_date.abs() <= 1),
        rule("reading_date_not_wall_date", _days_from_wall_date == 0, WARNING),
        rule("hour_of_day_not_local", _local.dt.hour() == pl.col("hour_of_day")),
        rule("day_of_week_wrong", pl.col("reading_date").dt.weekday() == pl.col("day_of_week")),
        weekday_of("reading_date"),
        rule("glucose_category_wrong", pl.col("glucose_category") == GLUCOSE_CATEGORY),
        rule("is_in_range_wrong", pl.col("is_in_range") == _glucose.is_between(70, 180).cast(pl.Int64)),
        rule("readings_not_in_order", (_minutes >= 0).fill_null(True)),
        equal("rate_mg_dl_per_minute", _rate, "rate_wrong"),
        rule(
            "rate_implausible",
            (pl.col("rate_mg_dl_per_minute").abs() <= _MOST_MG_DL_PER_MINUTE).fill_null(True),
            WARNING,
        ),
    ],
)
