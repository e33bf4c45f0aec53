"""Contract of the data quality mart: what became of every document received, by local day."""

import polars as pl

from include.schemas.measures import count, model, percent, plain, positive, sums_to
from include.schemas.rules import rule

_OUTCOMES = (
    "kept_count",
    "duplicate_count",
    "excluded_count",
    "other_type_count",
    "deleted_count",
    "quarantined_count",
)
_expects_none = pl.col("expected_count") == 0
_longest = pl.col("longest_gap_minutes")

MRT_DATA_QUALITY = model(
    "mrt_data_quality",
    "What the entries of one site gave for one local day, and what became of it.",
    ("site_id", "reading_date"),
    [
        plain("site_id", pl.String, "Site."),
        plain("reading_date", pl.Date, "Local day."),
        count("received_count", "Documents received."),
        *(count(name, "Documents received of which this became.") for name in _OUTCOMES),
        count("expected_count", "Slots of the day that start before data_through."),
        percent("coverage_pct", "Expected slots that hold a reading.", filled=False),
        count("gap_count", "Gaps of more than 30 minutes that touch the day."),
        positive("longest_gap_minutes", "Longest part of a gap in the day.", filled=False),
        count("device_count", "Names of uploaders."),
        count("clipped_count", "Readings at a limit of the sensor."),
        count("late_count", "Documents that an earlier read of their day did not hold."),
    ],
    [
        sums_to(pl.col("received_count"), _OUTCOMES, "outcomes_do_not_sum_to_received_count"),
        rule("coverage_without_expected", pl.col("coverage_pct").is_null() == _expects_none),
        rule("gap_count_wrong", _longest.is_null() == (pl.col("gap_count") == 0)),
        rule("more_clipped_than_kept", pl.col("clipped_count") <= pl.col("kept_count")),
        rule(
            "more_devices_than_readings",
            pl.col("device_count") <= pl.col("kept_count") + pl.col("duplicate_count"),
        ),
        rule(
            "more_late_than_accepted",
            pl.col("late_count") <= pl.col("received_count") - pl.col("quarantined_count"),
        ),
    ],
)
