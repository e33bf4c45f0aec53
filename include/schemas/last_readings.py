"""Contracts of the last readings: those of the last days, and the very last one."""

import polars as pl

from include.schemas.columns import INSTANT, LOCAL
from include.schemas.facts import GLUCOSE_CATEGORY
from include.schemas.measures import glucose, model, plain
from include.schemas.rules import rule

MRT_GLUCOSE_RECENT = model(
    "mrt_glucose_recent",
    "One row a site and slot with a reading of the last 30 ended days, and of the open one.",
    ("site_id", "slot_start"),
    [
        plain("site_id", pl.String, "Site."),
        plain("slot_start", INSTANT, "Start of the 5-minute slot."),
        plain("reading_timestamp_local", LOCAL, "Wall time of the reading."),
        plain("reading_date", pl.Date, "Local day of the reading."),
        glucose("glucose_mg_dl", "Glucose."),
        plain("glucose_category", pl.String, "Class of the glucose."),
    ],
    [
        rule("slot_start_off_grid", pl.col("slot_start").dt.truncate("5m") == pl.col("slot_start")),
        rule("glucose_category_wrong", pl.col("glucose_category") == GLUCOSE_CATEGORY),
    ],
)

MRT_CURRENT_GLUCOSE = model(
    "mrt_current_glucose",
    "One row a site: its last reading.",
    ("site_id",),
    [
        plain("site_id", pl.String, "Site."),
        plain("reading_timestamp", INSTANT, "Instant of the reading."),
        plain("reading_timestamp_local", LOCAL, "Wall time of the reading."),
        glucose("glucose_mg_dl", "Glucose."),
        plain("direction", pl.String, "Trend as sent.", filled=False),
        plain("glucose_change_mg_dl", pl.Float64, "Since the reading before.", filled=False),
        plain("data_through", INSTANT, "Instant up to which the site was read."),
    ],
    [rule("change_infinite", pl.col("glucose_change_mg_dl").is_finite().fill_null(True))],
)
