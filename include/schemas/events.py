"""Contract of the events: stretches of at least 15 minutes beyond a threshold."""

import pandera.polars as pa
import polars as pl

from include.schemas.columns import INSTANT, LOCAL
from include.schemas.measures import count, equal, glucose, model, plain
from include.schemas.rules import rule

THRESHOLDS_MG_DL = {"low": 70, "very_low": 54, "high": 180, "very_high": 250}
_LEAST_MINUTES = 9.5  # of 14.5; the next reading may come sooner than 5 minutes after the last

_kind, _extreme = pl.col("kind"), pl.col("extreme_glucose_mg_dl")
_threshold = _kind.replace_strict(THRESHOLDS_MG_DL, default=None, return_dtype=pl.Float64)
_is_beyond = pl.when(_kind.str.ends_with("low")).then(_extreme < _threshold).otherwise(_extreme > _threshold)
_minutes = (pl.col("ended_at").dt.timestamp("ms") - pl.col("started_at").dt.timestamp("ms")) / 6e4


def _events(name: str) -> pa.DataFrameSchema:
    return model(
        name,
        "One row a site and event.",
        ("event_id",),
        [
            plain("event_id", pl.String, "Site, kind and first reading."),
            plain("site_id", pl.String, "Site."),
            plain("kind", pl.String, "low, very_low, high or very_high."),
            plain("started_at", INSTANT, "Instant of the first reading."),
            plain("ended_at", INSTANT, "Instant at which it ended."),
            plain("started_at_local", LOCAL, "Wall time of the first reading."),
            plain("event_date", pl.Date, "Local day on which it started."),
            plain("duration_minutes", pl.Float64, "From start to end."),
            glucose("extreme_glucose_mg_dl", "Lowest glucose of a low, highest of a high."),
            count("reading_count", "Readings from start to end.", least=1),
            plain("is_nocturnal", pl.Boolean, "Whether it started from 00:00 to 06:00 of the wall clock."),
        ],
        [
            rule("kind_unknown", _kind.is_in(list(THRESHOLDS_MG_DL))),
            rule("extreme_not_beyond_threshold", _is_beyond),
            equal("duration_minutes", _minutes, "duration_wrong"),
            rule("event_too_short", pl.col("duration_minutes") > _LEAST_MINUTES),
            rule("is_nocturnal_wrong", (pl.col("started_at_local").dt.hour() < 6) == pl.col("is_nocturnal")),
        ],
    )


FCT_GLUCOSE_EVENTS = _events("fct_glucose_events")
MRT_GLUCOSE_EVENTS = _events("mrt_glucose_events")
