"""Contracts of the periods: the last days of a site, those before them, and their profile by time of day."""

import polars as pl

from include.glucose import FEWEST_OF_A_BIN, PERIOD_DAYS
from include.schemas.measures import (
    EPSILON,
    Measure,
    ascending,
    count,
    equal,
    glucose,
    known_with_readings,
    model,
    percent,
    plain,
    positive,
    sums_to,
)
from include.schemas.rules import rule
from include.schemas.statistics import STATISTICS_AGREE, statistics

_QUARTER_HOURS_OF_A_DAY = 96
_EVENTS = ("low_event_count", "very_low_event_count", "high_event_count", "very_high_event_count")
_SHARES = ("time_below_target_range_pct", "time_in_target_range_pct", "time_above_target_range_pct")
_CHANGES = ("avg_glucose_change_mg_dl", "time_in_range_change_pct", "cv_change_pct")
_MEETS = {
    "time_in_range": pl.col("time_in_target_range_pct") > pl.col("time_in_range_target_pct"),
    "time_below_range": pl.col("time_below_target_range_pct") < pl.col("time_below_range_target_pct"),
    "time_below_54": pl.col("time_below_54_pct") < pl.col("time_below_54_target_pct"),
    "time_above_range": pl.col("time_above_target_range_pct") < pl.col("time_above_range_target_pct"),
    "time_above_250": pl.col("time_above_250_pct") < pl.col("time_above_250_target_pct"),
    "cv": pl.col("cv_pct") <= pl.col("cv_target_pct"),
}
_WITHOUT_TARGET = {"older_or_high_risk": "time_below_54", "pregnancy": "time_above_250"}

_days, _sufficient = pl.col("period_days"), pl.col("is_sufficient")
_without_readings = pl.col("reading_count") == 0
_known_days = rule("period_days_unknown", _days.is_in(PERIOD_DAYS))
_gmi = pl.when((_days >= 14) & _sufficient).then(3.31 + 0.02392 * pl.col("avg_glucose_mg_dl"))


def _targets() -> list[Measure]:
    named = [(name, f"{name}_target_pct", f"meets_{name}_target") for name in _MEETS]
    without = _WITHOUT_TARGET.values()
    limits = [percent(limit, "Limit of its target.", filled=name not in without) for name, limit, _ in named]
    verdicts = [plain(verdict, pl.Boolean, "Whether it is met.", filled=False) for *_, verdict in named]
    return [*limits, *verdicts]


MRT_GLUCOSE_PERIODS = model(
    "mrt_glucose_periods",
    "Glucose of one site in the last days that have ended (is_current), and in as many before them.",
    ("site_id", "period_days", "is_current"),
    [
        plain("site_id", pl.String, "Site."),
        plain("period_days", pl.Int64, "Local days."),
        plain("is_current", pl.Boolean, "Whether it ends with the last ended day."),
        plain("period_start", pl.Date, "First local day."),
        plain("period_end", pl.Date, "Last local day."),
        count("day_count", "Days with a reading."),
        count("reading_count", "Slots with a reading."),
        count("expected_count", "Slots of all its days.", least=1),
        percent("coverage_pct", "Expected slots that hold a reading."),
        plain("is_sufficient", pl.Boolean, "Whether coverage is at least 70 %."),
        *statistics(filled=False),
        positive("gmi_pct", "GMI of at least 14 sufficient days.", filled=False),
        *(percent(name, "Share against the target range.", filled=False) for name in _SHARES),
        *(count(name, "Events that started in it.") for name in _EVENTS),
        plain("target_set", pl.String, "The targets of the site."),
        glucose("target_low_mg_dl", "Lower limit of the target range."),
        glucose("target_high_mg_dl", "Upper limit of the target range."),
        *_targets(),
        *(plain(name, pl.Float64, "Against the period before.", filled=False) for name in _CHANGES),
    ],
    [
        _known_days,
        rule(
            "period_is_not_its_days",
            (pl.col("period_end") - pl.col("period_start")).dt.total_days() == _days - 1,
        ),
        rule("more_days_than_the_period", pl.col("day_count") <= _days),
        rule("days_without_readings", (pl.col("day_count") == 0) == _without_readings),
        equal(
            "coverage_pct",
            100 * pl.col("reading_count") / pl.col("expected_count"),
            "coverage_wrong",
        ),
        *STATISTICS_AGREE,
        *known_with_readings("avg_glucose_mg_dl", "time_in_range_pct", "time_in_target_range_pct", "lbgi"),
        equal("gmi_pct", _gmi, "gmi_wrong"),
        sums_to(pl.lit(100.0), _SHARES, "three_shares_do_not_sum_to_100"),
        ascending("target_low_mg_dl", "target_high_mg_dl"),
        *(
            rule(
                f"meets_{name}_target_wrong",
                pl.col(f"meets_{name}_target").eq_missing(pl.when(_sufficient).then(meets)),
            )
            for name, meets in _MEETS.items()
        ),
        *(
            rule(
                f"{name}_of_no_comparison",
                pl.col(name).is_null() | (pl.col("is_current") & _sufficient & pl.col(name).is_finite()),
            )
            for name in _CHANGES
        ),
    ],
)

MRT_GLUCOSE_AGP = model(
    "mrt_glucose_agp",
    "Percentiles of one site's current period by quarter hour of the wall clock.",
    ("site_id", "period_days", "bin_start_minute"),
    [
        plain("site_id", pl.String, "Site."),
        plain("period_days", pl.Int64, "Local days."),
        plain("bin_start_minute", pl.Int64, "Minutes after midnight."),
        count("reading_count", "Slots with a reading.", least=1),
        *(glucose(f"p{percent}_mg_dl", "Percentile.") for percent in ("05", "25", "50", "75", "95")),
        plain("is_sufficient", pl.Boolean, "Whether bin and period hold enough readings."),
    ],
    [
        _known_days,
        rule(
            "bin_off_the_clock",
            (pl.col("bin_start_minute") % 15 == 0)
            & pl.col("bin_start_minute").is_between(0, 15 * (_QUARTER_HOURS_OF_A_DAY - 1)),
        ),
        ascending("p05_mg_dl", "p25_mg_dl", "p50_mg_dl", "p75_mg_dl", "p95_mg_dl"),
        rule("sufficient_with_few_readings", ~_sufficient | (pl.col("reading_count") >= FEWEST_OF_A_BIN)),
        rule(
            "percentiles_of_a_single_reading_differ",
            (pl.col("reading_count") > 1) | ((pl.col("p95_mg_dl") - pl.col("p05_mg_dl")) <= EPSILON),
        ),
    ],
)
