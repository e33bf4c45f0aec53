"""Types of published columns: what a type of the lake is in Postgres, the same whichever engine copies it."""

from collections.abc import Mapping

import pyarrow as pa

from include.errors import PublishError

TYPES = {
    pa.string(): "text",
    pa.large_string(): "text",
    pa.float64(): "double precision",
    pa.int64(): "bigint",
    pa.int32(): "integer",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    pa.timestamp("us", tz="UTC"): "timestamp with time zone",
    pa.timestamp("us"): "timestamp without time zone",
}
# How an engine may spell them in the tables it makes; anything else has lost something on the way.
SPELLINGS = {
    "character varying": "text",
    "timestamp(6) with time zone": "timestamp with time zone",
    "timestamp(6) without time zone": "timestamp without time zone",
}


def published_types(model: str, schema: pa.Schema) -> dict[str, str]:
    """Column to type in Postgres, in the model's order. Raises PublishError for one without an equal.

    DuckDB's sum over integers is a HUGEINT, which is a decimal here and would be rounded to a double there.
    """
    types = {}
    for column in schema:
        postgres_type = TYPES.get(column.type)
        if postgres_type is None:
            raise PublishError(
                f"column {column.name} of published model {model} has type {column.type}, which Postgres "
                "would not keep as it is: in the model, cast it to varchar, double, bigint, integer, "
                "boolean, date or timestamp"
            )
        types[column.name] = postgres_type
    return types


def check_staged_types(model: str, expected: Mapping[str, str], staged: Mapping[str, str]) -> None:
    """Raises PublishError when the engine's copy has other columns or types than the model."""
    found = {column: SPELLINGS.get(spelling, spelling) for column, spelling in staged.items()}
    if found != dict(expected):
        wrong = sorted(dict(expected).items() ^ found.items())
        raise PublishError(
            f"the copy of published model {model} differs from it in {wrong}: cast in the model"
        )
