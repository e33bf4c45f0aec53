"""Contracts of treatments and of the medications among them.

What people type into a treatment is theirs: an amount that cannot be is a warning, never a reason to stop.
"""

import polars as pl

from include.schemas.columns import INSTANT, LOCAL
from include.schemas.measures import count, model, plain
from include.schemas.received import HIGHEST_GLUCOSE_MG_DL, LOWEST_GLUCOSE_MG_DL
from include.schemas.rules import WARNING, rule

_AMOUNTS = {"insulin_units": "Insulin given at once, in units.", "carbs_grams": "Carbohydrates, in grams."}

BOLUS_KINDS = ("manual", "correction", "automatic")

_is_suspension = (pl.col("event_type").str.to_lowercase() == "suspend pump").fill_null(False)
_days_from_wall_date = (pl.col("treated_at_local").dt.date() - pl.col("treatment_date")).dt.total_days()

FCT_TREATMENTS = model(
    "fct_treatments",
    "One row a site and treatment.",
    ("site_id", "treatment_id"),
    [
        plain("site_id", pl.String, "Site."),
        plain("treatment_id", pl.String, "Treatment that was kept."),
        plain("treated_at", INSTANT, "Instant of the treatment."),
        plain("treated_at_local", LOCAL, "Wall time at the site."),
        plain("treatment_date", pl.Date, "Local day."),
        plain("event_type", pl.String, "Kind of treatment as sent.", filled=False),
        *(plain(name, pl.Float64, words, filled=False) for name, words in _AMOUNTS.items()),
        plain("glucose_mg_dl", pl.Float64, "Glucose noted with it, in mg/dL.", filled=False),
        plain("duration_minutes", pl.Float64, "How long it was meant to last.", filled=False),
        plain("extended_units", pl.Float64, "Extended part of a combo bolus, in units.", filled=False),
        plain("bolus_units", pl.Float64, "Insulin of a bolus, both parts, in units.", filled=False),
        plain(
            "bolus_kind", pl.String, "manual, correction or automatic; null without a bolus.", filled=False
        ),
        plain("basal_minutes", pl.Float64, "How long a temporary basal ran.", filled=False),
        plain("basal_units", pl.Float64, "Insulin given by a temporary basal, in units.", filled=False),
        count("duplicate_count", "Equal treatments that were dropped for this one."),
    ],
    [
        rule("treatment_date_far_from_wall_date", _days_from_wall_date.abs() <= 1),
        rule("basal_minutes_negative", (pl.col("basal_minutes") >= 0).fill_null(True)),
        rule(
            "basal_longer_than_meant",
            (pl.col("basal_minutes") <= pl.max_horizontal("duration_minutes", 0))
            .or_(_is_suspension)
            .fill_null(True),
        ),
        rule("basal_longer_than_a_day", (pl.col("basal_minutes") <= 24 * 60).fill_null(True)),
        rule("bolus_units_not_positive", (pl.col("bolus_units") > 0).fill_null(True)),
        rule(
            "bolus_kind_unknown",
            pl.when(pl.col("bolus_units").is_null())
            .then(pl.col("bolus_kind").is_null())
            .otherwise(pl.col("bolus_kind").is_in(BOLUS_KINDS)),
        ),
        *(rule(f"{name}_negative", (pl.col(name) >= 0).fill_null(True), WARNING) for name in _AMOUNTS),
        rule(
            "glucose_mg_dl_outside_20_to_600",
            pl.col("glucose_mg_dl").is_between(LOWEST_GLUCOSE_MG_DL, HIGHEST_GLUCOSE_MG_DL).fill_null(True),
            WARNING,
        ),
    ],
)

FCT_MEDICATIONS = model(
    "fct_medications",
    "One row a site and treatment that gives insulin at once, or a drug.",
    ("site_id", "medication_id"),
    [
        plain("site_id", pl.String, "Site."),
        plain("medication_id", pl.String, "Its treatment."),
        plain("administered_at", INSTANT, "Instant at which it was given."),
        plain("administered_at_local", LOCAL, "Wall time at the site."),
        plain("administered_date", pl.Date, "Local day."),
        plain("medication_hour", pl.Int64, "Hour of the wall clock."),
        plain("medication_name", pl.String, "Brand, Insulin, or the drug as sent."),
        plain("dose_units", pl.Float64, "Insulin given, in units; null for a drug.", filled=False),
    ],
    [
        rule(
            "medication_hour_not_local",
            pl.col("administered_at_local").dt.hour() == pl.col("medication_hour"),
        ),
        rule("dose_units_not_positive", (pl.col("dose_units") > 0).fill_null(True)),
    ],
)
