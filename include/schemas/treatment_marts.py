"""Contracts of the published marts about treatments: totals of a day, and glucose around doses and meals."""

import polars as pl

from include.schemas.columns import INSTANT, LOCAL
from include.schemas.measures import count, equal, glucose, model, plain, positive, sums_to, weekday_of
from include.schemas.rules import WARNING, rule
from include.schemas.treatments import BOLUS_KINDS

_BOLUSES = tuple(f"bolus_{kind}_units" for kind in BOLUS_KINDS)
_BASALS = ("basal_temp_units", "basal_scheduled_units")
_MOST_INSULIN_UNITS_A_DAY = 300  # beyond it rather a slip of the pen than a person
_WINDOW_MINUTES = 180
_MOST_READINGS = 37  # slots that three hours can touch

_before_and_after = (
    glucose("glucose_before_mg_dl", "Mean before; null without readings.", filled=False),
    count("after_reading_count", "Readings in the three hours after."),
)
_more_readings_than_slots = rule("more_readings_than_slots", pl.col("after_reading_count") <= _MOST_READINGS)


def _minutes_after(name: str) -> tuple[pl.Expr, str]:
    minutes = pl.col(name)
    return (((minutes > 0) & (minutes <= _WINDOW_MINUTES)).fill_null(True), f"{name}_outside_the_window")


def _known_with_readings(name: str) -> tuple[pl.Expr, str]:
    known = pl.col(name).is_not_null() == (pl.col("after_reading_count") > 0)
    return known, f"{name}_known_without_readings"


MRT_TREATMENTS_DAILY = model(
    "mrt_treatments_daily",
    "Insulin and carbs of one site and local day, days without treatments included.",
    ("site_id", "treatment_date"),
    [
        plain("site_id", pl.String, "Site."),
        plain("treatment_date", pl.Date, "Local day."),
        plain("day_name", pl.String, "Its weekday."),
        positive("bolus_units", "Boluses."),
        positive("basal_units", "Basal; a lower bound where is_basal_complete is false."),
        positive("total_insulin_units", "Both."),
        positive("carbs_grams", "Carbohydrates."),
        count("bolus_count", "Boluses."),
        count("meal_count", "Treatments with carbs."),
        *(positive(name, "Boluses of this kind.") for name in _BOLUSES),
        *(positive(name, "Basal of this source.") for name in _BASALS),
        plain("is_basal_complete", pl.Boolean, "Whether the basal rate is known for all of the day."),
        positive("carb_equivalent_grams", "What Trio writes for fat and protein."),
    ],
    [
        weekday_of("treatment_date"),
        sums_to(pl.col("bolus_units"), _BOLUSES, "kinds_do_not_sum_to_bolus_units"),
        sums_to(pl.col("basal_units"), _BASALS, "sources_do_not_sum_to_basal_units"),
        sums_to(
            pl.col("total_insulin_units"),
            ("bolus_units", "basal_units"),
            "bolus_and_basal_do_not_sum_to_total",
        ),
        rule("insulin_without_boluses", (pl.col("bolus_count") > 0) | (pl.col("bolus_units") == 0)),
        rule("carbs_without_meals", (pl.col("meal_count") > 0) | (pl.col("carbs_grams") == 0)),
        rule("more_than_300_units", pl.col("total_insulin_units") <= _MOST_INSULIN_UNITS_A_DAY, WARNING),
    ],
)

MRT_MEDICATION_EFFECTIVENESS = model(
    "mrt_medication_effectiveness",
    "One row a site and medication given, with the glucose around it.",
    ("site_id", "medication_id"),
    [
        plain("site_id", pl.String, "Site."),
        plain("medication_id", pl.String, "Its treatment."),
        plain("medication_name", pl.String, "Brand, Insulin, or the drug as sent."),
        positive("dose_units", "Insulin given; null for a drug.", filled=False),
        plain("administered_at", INSTANT, "Instant at which it was given."),
        plain("administered_at_local", LOCAL, "Wall time at the site."),
        plain("medication_hour", pl.Int64, "Hour of the wall clock."),
        *_before_and_after,
        glucose("glucose_after_mg_dl", "Mean of the three hours after.", filled=False),
        plain("glucose_reduction_mg_dl", pl.Float64, "Before less after, in mg/dL.", filled=False),
        glucose("nadir_mg_dl", "Lowest of the three hours after.", filled=False),
        positive("minutes_to_nadir", "Minutes to the first reading at the nadir.", filled=False),
        plain("is_clean", pl.Boolean, "Whether nothing else was taken."),
    ],
    [
        equal(
            "glucose_reduction_mg_dl",
            pl.col("glucose_before_mg_dl") - pl.col("glucose_after_mg_dl"),
            "glucose_reduction_wrong",
        ),
        rule(
            "nadir_above_mean",
            (pl.col("nadir_mg_dl") <= pl.col("glucose_after_mg_dl") + 1e-6).fill_null(True),
        ),
        *(
            rule(code, ok)
            for ok, code in (
                _minutes_after("minutes_to_nadir"),
                _known_with_readings("glucose_after_mg_dl"),
                _known_with_readings("minutes_to_nadir"),
            )
        ),
        _more_readings_than_slots,
    ],
)

MRT_MEAL_RESPONSES = model(
    "mrt_meal_responses",
    "One row a site and meal, with its insulin and the glucose around it.",
    ("site_id", "meal_id"),
    [
        plain("site_id", pl.String, "Site."),
        plain("meal_id", pl.String, "Treatment with the carbs."),
        plain("eaten_at", INSTANT, "Instant of the meal."),
        plain("eaten_at_local", LOCAL, "Wall time at the site."),
        positive("carbs_grams", "Carbohydrates."),
        positive("insulin_units", "Insulin given for it; null without.", filled=False),
        *_before_and_after,
        *(
            glucose(f"glucose_{minutes}m_mg_dl", f"Nearest to {minutes} minutes after.", filled=False)
            for minutes in (60, 120, 180)
        ),
        glucose("peak_mg_dl", "Highest of the three hours after.", filled=False),
        plain("rise_mg_dl", pl.Float64, "Peak less before, in mg/dL.", filled=False),
        positive("minutes_to_peak", "Minutes to the first reading at the peak.", filled=False),
        plain("is_clean", pl.Boolean, "Whether nothing else was taken."),
    ],
    [
        equal("rise_mg_dl", pl.col("peak_mg_dl") - pl.col("glucose_before_mg_dl"), "rise_wrong"),
        *(
            rule(code, ok)
            for ok, code in (
                _minutes_after("minutes_to_peak"),
                _known_with_readings("peak_mg_dl"),
                _known_with_readings("minutes_to_peak"),
            )
        ),
        _more_readings_than_slots,
    ],
)
