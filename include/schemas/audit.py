"""Facts, daily metrics and marts held against their contracts, whichever engine made them."""

from dataclasses import dataclass

import pandera.polars as pa
import polars as pl

from include.errors import ContractError
from include.schemas.daily_metrics import FCT_DAILY_GLUCOSE_METRICS
from include.schemas.data_quality import MRT_DATA_QUALITY
from include.schemas.events import FCT_GLUCOSE_EVENTS, MRT_GLUCOSE_EVENTS
from include.schemas.facts import FCT_GLUCOSE_READINGS
from include.schemas.last_readings import MRT_CURRENT_GLUCOSE, MRT_GLUCOSE_RECENT
from include.schemas.marts import MRT_GLUCOSE_HOURLY_PATTERNS, MRT_GLUCOSE_OVERVIEW, MRT_GLUCOSE_READINGS
from include.schemas.nights import MRT_GLUCOSE_NIGHTS
from include.schemas.periods import MRT_GLUCOSE_AGP, MRT_GLUCOSE_PERIODS
from include.schemas.rules import failures
from include.schemas.treatment_marts import (
    MRT_MEAL_RESPONSES,
    MRT_MEDICATION_EFFECTIVENESS,
    MRT_TREATMENTS_DAILY,
)
from include.schemas.treatments import FCT_MEDICATIONS, FCT_TREATMENTS

AUDITED_MODELS: dict[str, pa.DataFrameSchema] = {
    str(schema.name): schema
    for schema in (
        FCT_GLUCOSE_READINGS,
        FCT_TREATMENTS,
        FCT_MEDICATIONS,
        FCT_GLUCOSE_EVENTS,
        FCT_DAILY_GLUCOSE_METRICS,
        MRT_GLUCOSE_READINGS,
        MRT_GLUCOSE_OVERVIEW,
        MRT_GLUCOSE_HOURLY_PATTERNS,
        MRT_DATA_QUALITY,
        MRT_MEDICATION_EFFECTIVENESS,
        MRT_MEAL_RESPONSES,
        MRT_TREATMENTS_DAILY,
        MRT_GLUCOSE_RECENT,
        MRT_GLUCOSE_AGP,
        MRT_GLUCOSE_PERIODS,
        MRT_GLUCOSE_EVENTS,
        MRT_GLUCOSE_NIGHTS,
        MRT_CURRENT_GLUCOSE,
    )
}
_EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """Rows of a model that break one rule. `example_keys` names a few of them, and no measured value."""

    model: str
    severity: str
    check: str
    row_count: int
    example_keys: tuple[str, ...]

    def __str__(self) -> str:
        rows = "1 row" if self.row_count == 1 else f"{self.row_count} rows"
        words = self.check.replace("_", " ")
        return f"{self.model}: {words} in {rows}, for example {', '.join(self.example_keys[:1])}"


def check_frame(name: str, frame: pl.DataFrame) -> list[Finding]:
    """What breaks the contract of the model `name`, errors first, then by number of rows.

    Raises ContractError when a column is missing or of another kind: then no row was looked at.
    """
    if name not in AUDITED_MODELS:
        raise ContractError(f"no contract is known for the model {name}: add one to the schemas")
    schema = AUDITED_MODELS[name]
    broken = failures(schema, _of_one_width(schema, frame))
    key: list[str] = (schema.metadata or {})["key"]
    keys = frame.select(
        pl.concat_str([pl.col(one).cast(pl.String) for one in key], separator=" ", ignore_nulls=True)
    )
    findings = [
        Finding(
            name,
            severity,
            check,
            len(rows),
            tuple(keys.to_series().gather(rows["row"].head(_EXAMPLES))),
        )
        for (severity, check), rows in broken.group_by("severity", "rule", maintain_order=True)
    ]
    return sorted(findings, key=lambda found: (found.severity, -found.row_count, found.check))


def _of_one_width(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> pl.DataFrame:
    """Engines differ in the width of numbers and the precision of instants, and that is no fault."""
    casts = [
        pl.col(name).cast(column.dtype.type)
        for name, column in schema.columns.items()
        if name in frame.columns and _same_kind(frame.schema[name], column.dtype.type)
    ]
    return frame.with_columns(casts)


def _same_kind(found: pl.DataType, wanted: pl.DataType) -> bool:
    if wanted == pl.Float64:
        return found.is_numeric()
    if wanted == pl.Int64:
        return found.is_integer()
    if isinstance(wanted, pl.Datetime) and isinstance(found, pl.Datetime):
        return (found.time_zone is None) == (wanted.time_zone is None)
    return False
