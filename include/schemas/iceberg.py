"""Iceberg schemas and partition specs, derived from the contracts so that they cannot drift apart."""

from dataclasses import dataclass

import pandera.polars as pa
import polars as pl
import pyarrow
from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform, MonthTransform, Transform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DoubleType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from include.errors import ContractError
from include.schemas.columns import INSTANT

_TYPES: dict[pl.DataType, IcebergType] = {
    pl.String(): StringType(),
    pl.Float64(): DoubleType(),
    pl.Int32(): IntegerType(),
    pl.Int64(): LongType(),
    pl.Boolean(): BooleanType(),
    pl.Date(): DateType(),
    INSTANT: TimestamptzType(),
}
_TRANSFORMS: dict[str, Transform] = {"identity": IdentityTransform(), "month": MonthTransform()}  # type: ignore[type-arg]


@dataclass(frozen=True)
class RawTable:
    """A table of `raw`. `key` names one row; `instant` (UTC, never null) is what it is partitioned by.

    A difference in the columns of `bookkeeping` alone is no reason to write a row again.
    """

    name: str
    schema: pa.DataFrameSchema
    key: tuple[str, ...]
    instant: str | None
    bookkeeping: tuple[str, ...]


def iceberg_schema(table: RawTable) -> Schema:
    """Field ids count from 1 in the contract's order. Raises ContractError on a type without counterpart."""
    fields = [
        NestedField(
            field_id=position,
            name=name,
            field_type=_iceberg_type(table, name, column),
            required=not column.nullable,
            doc=column.description,
        )
        for position, (name, column) in enumerate(table.schema.columns.items(), start=1)
    ]
    return Schema(
        *fields, identifier_field_ids=[field.field_id for field in fields if field.name in table.key]
    )


def partition_spec(table: RawTable) -> PartitionSpec:
    """Partitions as the metadata of the columns says: `partition` is `identity` or `month`."""
    schema = iceberg_schema(table)
    fields: list[PartitionField] = []
    for name, column in table.schema.columns.items():
        transform = (column.metadata or {}).get("partition")
        if transform is not None:
            fields.append(
                PartitionField(
                    source_id=schema.find_field(name).field_id,
                    field_id=PARTITION_FIELD_ID_START + len(fields),
                    transform=_TRANSFORMS[transform],
                    name=name if transform == "identity" else f"{name}_{transform}",
                )
            )
    return PartitionSpec(*fields)


def arrow_schema(table: RawTable) -> pyarrow.Schema:
    """What a frame must be cast to before it is appended: `frame.select(schema.names).cast(schema)`."""
    return iceberg_schema(table).as_arrow()


def _iceberg_type(table: RawTable, name: str, column: pa.Column) -> IcebergType:
    dtype = column.dtype.type if column.dtype is not None else None
    if dtype not in _TYPES:
        raise ContractError(
            f"raw.{table.name}.{name}: no Iceberg type is known for {dtype}; add it to the contracts"
        )
    return _TYPES[dtype]
