"""How a contract is applied row by row. The severity of a rule travels in the text of its Pandera check."""

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from include.errors import ContractError

ERROR = "error"
WARNING = "warning"

_FAILURES = pl.Schema({"row": pl.Int64(), "severity": pl.String(), "rule": pl.String()})


def rule(code: str, ok: pl.Expr, severity: str = ERROR) -> pa.Check:
    """A rule named `code`; `ok` is a boolean expression over the whole frame, and null counts as broken."""
    return pa.Check(
        lambda data: data.lazyframe.select(ok), name=code, error=f"{severity}:{code}", ignore_na=False
    )


def failures(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> pl.DataFrame:
    """Which rows break which rules: columns `row` (position from 0), `severity`, `rule`; each pair once.

    Raises ContractError when a failure has no row or no rule of ours: then the frame itself is of another
    shape than the contract says (a column missing, a wrong type, a rule that crashed), and no row is usable.
    """
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases: pl.DataFrame = error.failure_cases
    else:
        return pl.DataFrame(schema=_FAILURES)
    parts = pl.col("check").str.split_exact(":", 1).struct.rename_fields(["severity", "rule"])
    found = cases.select(
        pl.col("index").cast(pl.Int64).alias("row"), "column", "check", "failure_case", parts.alias("parts")
    )
    found = found.unnest("parts")
    foreign = found.filter(
        pl.col("row").is_null() | pl.col("rule").is_null() | ~pl.col("severity").is_in([ERROR, WARNING])
    )
    if len(foreign):
        raise ContractError(f"{schema.name} breaks its contract: {'; '.join(_described(foreign))}")
    return found.select(_FAILURES.names()).unique(maintain_order=True)


def _described(foreign: pl.DataFrame) -> list[str]:
    """What is wrong with the frame itself. A value of a row is health data and is not repeated."""
    return sorted(
        {
            f"{case['column'] or 'frame'} {case['check']}"
            + (f" ({case['failure_case']})" if case["row"] is None and case["failure_case"] else "")
            for case in foreign.to_dicts()
        }
    )
