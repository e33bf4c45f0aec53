"""How a column of a contract is declared: type, meaning, and whether it may be empty."""

from typing import Any

import pandera.polars as pa
import polars as pl

INSTANT = pl.Datetime("us", "UTC")
LOCAL = pl.Datetime("us")  # wall time at the site


def column(
    dtype: pl.DataType | type[pl.DataType],
    description: str,
    *,
    required: bool = False,
    checks: list[pa.Check] | None = None,
    **metadata: str,
) -> pa.Column:
    """A column that must be there; its values may be null unless `required`.

    `metadata` travels with the schema: `unit` (the unit of a number) and `partition`
    (the Iceberg transform, `identity` or `month`).
    """
    facts: dict[str, Any] = dict(metadata)
    return pa.Column(dtype, checks, nullable=not required, description=description, metadata=facts)


def table(name: str, description: str, columns: dict[str, pa.Column]) -> pa.DataFrameSchema:
    """A contract that holds exactly these columns, in this order, of exactly these types."""
    return pa.DataFrameSchema(columns, name=name, description=description, strict=True, coerce=False)
