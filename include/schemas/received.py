"""Contracts of documents as received: an error quarantines the document, a warning is counted and shown."""

import pandera.polars as pa
import polars as pl

from include.glucose import MG_DL_PER_MMOL_L
from include.schemas.columns import INSTANT, column, table
from include.schemas.raw import DEVICE_STATUS, GLUCOSE_ENTRIES, PROFILES, TREATMENTS
from include.schemas.rules import WARNING, rule

KNOWN_TYPES = ("sgv", "mbg", "cal")
LOWEST_GLUCOSE_MG_DL = 20  # below it are error codes of the sensor, not glucose
HIGHEST_GLUCOSE_MG_DL = 600
# broken: the instant is not usable
INSTANT_RULES = ("no_usable_date", "before_2000", "before_1970", "in_the_future")
_MOST_INSULIN_UNITS = 100
_MOST_CARBS_GRAMS = 1000
_MOST_RESERVOIR_UNITS = 1000  # Trio and others send 0xDEADBEEF for more than the pump can tell
_DISAGREEMENT_HOURS = 24
_MERGE_COLUMNS = ("first_seen_at", "ingested_at", "run_id", "deleted_at")

_IS_OBJECT = pl.col("is_object")
_FETCHED_AT = pl.col("fetched_at")


def _document_rules() -> dict[str, list[pa.Check]]:
    return {
        "problem": [rule("document_unusable", pl.col("problem").is_null())],
        "_id": [rule("no_usable_id", pl.col("_id").is_not_null() | ~_IS_OBJECT)],
        "unreadable": [rule("number_unreadable", pl.col("unreadable").is_null(), WARNING)],
    }


def _instant_rules(name: str, earliest_year: int = 2000) -> list[pa.Check]:
    instant = pl.col(name)
    earliest = pl.datetime(earliest_year, 1, 1, time_zone="UTC")
    holds = {
        "no_usable_date": instant.is_not_null() | ~_IS_OBJECT,
        f"before_{earliest_year}": (instant >= earliest).fill_null(True),
        "in_the_future": (instant <= _FETCHED_AT + pl.duration(hours=24)).fill_null(True),
    }
    return [rule(code, ok) for code, ok in holds.items()]


def _within(name: str, low: float, high: float) -> pl.Expr:
    return pl.col(name).is_between(low, high).fill_null(True)


def _entry_rules() -> dict[str, list[pa.Check]]:
    is_sensor = (pl.col("type") == "sgv").fill_null(False)
    sgv = pl.col("sgv")
    unknown = pl.col("type").is_in(KNOWN_TYPES).fill_null(False)
    late = (pl.col("reading_at") <= _FETCHED_AT + pl.duration(minutes=15)).fill_null(True)
    agrees = (pl.col("disagreement_hours") <= _DISAGREEMENT_HOURS).fill_null(True)
    return {
        "sgv": [
            rule("sgv_not_a_number", ~is_sensor | sgv.is_not_null()),
            rule("sgv_below_20", ~is_sensor | (sgv >= LOWEST_GLUCOSE_MG_DL).fill_null(True), WARNING),
            rule("sgv_above_600", ~is_sensor | (sgv <= HIGHEST_GLUCOSE_MG_DL).fill_null(True), WARNING),
        ],
        "type": [rule("unknown_type", unknown, WARNING)],
        "reading_at": [*_instant_rules("reading_at"), rule("dated_after_fetch", late, WARNING)],
        "disagreement_hours": [rule("date_and_date_string_disagree", agrees, WARNING)],
    }


def _treatment_rules() -> dict[str, list[pa.Check]]:
    is_mmol = pl.col("units").str.to_lowercase().str.starts_with("mmol").fill_null(False)
    glucose = pl.col("glucose") * pl.when(is_mmol).then(MG_DL_PER_MMOL_L).otherwise(1.0)
    plausible = glucose.is_between(LOWEST_GLUCOSE_MG_DL, HIGHEST_GLUCOSE_MG_DL).fill_null(True)
    return {
        "treated_at": _instant_rules("treated_at"),
        "insulin": [rule("insulin_implausible", _within("insulin", 0, _MOST_INSULIN_UNITS), WARNING)],
        "carbs": [rule("carbs_implausible", _within("carbs", 0, _MOST_CARBS_GRAMS), WARNING)],
        "glucose": [rule("glucose_implausible", plausible, WARNING)],
        "duration_minutes": [
            rule("duration_negative", (pl.col("duration_minutes") >= 0).fill_null(True), WARNING)
        ],
    }


def _profile_rules() -> dict[str, list[pa.Check]]:
    """1970 is the date that Nightscout's editor gives to the first profile of a site."""
    return {"valid_from_at": _instant_rules("valid_from_at", 1970)}


def _device_status_rules() -> dict[str, list[pa.Check]]:
    limits = {"pump_battery_pct": 100, "uploader_battery_pct": 100, "reservoir_units": _MOST_RESERVOIR_UNITS}
    return {
        "reported_at": _instant_rules("reported_at"),
        **{
            name: [rule(f"{name}_implausible", _within(name, 0, most), WARNING)]
            for name, most in limits.items()
        },
    }


def _received(raw: pa.DataFrameSchema, rules: dict[str, list[pa.Check]]) -> pa.DataFrameSchema:
    """The columns of a raw table that a document fills, nullable until judged, and what judging needs."""
    rules = _document_rules() | rules
    columns = {
        "row_number": column(pl.Int64, "Position in the answer, from 0.", required=True),
        **{
            name: column(of_raw.dtype.type, of_raw.description or "", checks=rules.get(name))
            for name, of_raw in raw.columns.items()
            if name not in _MERGE_COLUMNS
        },
        "is_valid": column(pl.Boolean, "False only where the document says isValid: false.", required=True),
        "fetched_at": column(INSTANT, "When the answer was fetched.", required=True),
        "is_object": column(pl.Boolean, "Whether the text is a JSON object at all.", required=True),
        "problem": column(pl.String, "Why the document cannot be used at all.", checks=rules["problem"]),
        "unreadable": column(
            pl.String, "Fields that should hold a number and hold something else.", checks=rules["unreadable"]
        ),
    }
    if "disagreement_hours" in rules:
        columns["disagreement_hours"] = column(
            pl.Float64, "Between date and dateString.", checks=rules["disagreement_hours"], unit="h"
        )
    return table(f"received {raw.name}", f"Documents as received for raw.{raw.name}.", columns)


RECEIVED: dict[str, pa.DataFrameSchema] = {
    "entries": _received(GLUCOSE_ENTRIES, _entry_rules()),
    "treatments": _received(TREATMENTS, _treatment_rules()),
    "profile": _received(PROFILES, _profile_rules()),
    "devicestatus": _received(DEVICE_STATUS, _device_status_rules()),
}

ACCEPTED_COLUMNS: dict[str, tuple[str, ...]] = {
    collection: (
        "row_number",
        *(name for name in raw.columns if name not in _MERGE_COLUMNS),
        "is_valid",
    )
    for collection, raw in (
        ("entries", GLUCOSE_ENTRIES),
        ("treatments", TREATMENTS),
        ("profile", PROFILES),
        ("devicestatus", DEVICE_STATUS),
    )
}
