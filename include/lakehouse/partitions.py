"""Partitions of a raw table: by month of its instant, and by columns of its key such as the site."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from pyiceberg.expressions import (
    AlwaysFalse,
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    LessThan,
    Or,
)
from pyiceberg.table import FileScanTask, Table
from pyiceberg.transforms import IdentityTransform, MonthTransform

_EPOCH_YEAR = 1970
_SEPARATOR = "\x1f"  # ASCII's own unit separator: no site id holds it


@dataclass(frozen=True)
class Partitioning:
    """`columns`: sources of the partition fields in order; `instant`: the one of them that goes by month.

    A partition is written as one text: the values of its columns, a month as months since 1970.
    """

    columns: tuple[str, ...]
    instant: str | None

    @classmethod
    def of(cls, table: Table, key: Collection[str], instant: str | None) -> Self:
        """Raises ValueError unless partitions go by the month of `instant` and by columns of `key` alone."""
        columns: list[str] = []
        for field in table.spec().fields:
            name = str(table.schema().find_column_name(field.source_id))
            by_month = isinstance(field.transform, MonthTransform) and name == instant
            if not by_month and not (isinstance(field.transform, IdentityTransform) and name in key):
                raise ValueError(f"{table.name()}: {field} is neither of the key nor the month of {instant}")
            columns.append(name)
        return cls(tuple(columns), instant if instant in columns else None)

    def sql(self, row: str) -> str:
        """SQL text that gives the partition of `row` (the session's zone being UTC)."""
        texts = [self._column_sql(f'{row}."{name}"', name) for name in self.columns]
        return f"concat_ws('{_SEPARATOR}', {', '.join(texts)})" if texts else "''"

    def of_file(self, task: FileScanTask) -> str:
        """The partition of a data file."""
        return _SEPARATOR.join(str(task.file.partition[position]) for position in range(len(self.columns)))

    def rows_in(self, partitions: Collection[str]) -> BooleanExpression:
        """Filter that selects exactly these partitions, whole files each; months in a row as one range."""
        if not self.columns:
            return AlwaysTrue()
        months: dict[tuple[str, ...], list[int]] = {}
        for partition in partitions:
            texts, month = self._split(partition)
            months.setdefault(texts, []).append(month)
        return any_of(
            self._range(texts, first, last)
            for texts, found in months.items()
            for first, last in _runs(sorted(found))
        )

    def _column_sql(self, column: str, name: str) -> str:
        if name != self.instant:
            return column
        return f"(year({column}) - {_EPOCH_YEAR}) * 12 + month({column}) - 1"

    def _split(self, partition: str) -> tuple[tuple[str, ...], int]:
        texts = partition.split(_SEPARATOR)
        month = int(texts.pop(self.columns.index(self.instant))) if self.instant else 0
        return tuple(texts), month

    def _range(self, texts: tuple[str, ...], first: int, last: int) -> BooleanExpression:
        names = [name for name in self.columns if name != self.instant]
        conditions: list[BooleanExpression] = [
            EqualTo(term=name, value=text) for name, text in zip(names, texts, strict=True)
        ]
        if self.instant:
            conditions += [
                GreaterThanOrEqual(term=self.instant, value=_month_start(first)),
                LessThan(term=self.instant, value=_month_start(last + 1)),
            ]
        return all_of(conditions)


def all_of(conditions: Iterable[BooleanExpression]) -> BooleanExpression:
    """True when every condition is; also of none."""
    joined: BooleanExpression = AlwaysTrue()
    for condition in conditions:
        joined = And(joined, condition)
    return joined


def any_of(conditions: Iterable[BooleanExpression]) -> BooleanExpression:
    """True when a condition is; false of none."""
    found = list(conditions)
    while len(found) > 1:  # in pairs: a chain as long as there are sites would be too deep to walk
        found = [
            Or(*found[at : at + 2]) if at + 1 < len(found) else found[at] for at in range(0, len(found), 2)
        ]
    return found[0] if found else AlwaysFalse()


def packed(row_counts: Mapping[str, int], limit: int) -> Iterator[list[str]]:
    """Partitions in groups of at most `limit` rows, or of a single partition that holds more."""
    group: list[str] = []
    rows = 0
    for partition in sorted(row_counts):
        if group and rows + row_counts[partition] > limit:
            yield group
            group, rows = [], 0
        group.append(partition)
        rows += row_counts[partition]
    if group:
        yield group


def _runs(months: list[int]) -> Iterator[tuple[int, int]]:
    first = last = months[0]
    for month in months[1:]:
        if month > last + 1:
            yield first, last
            first = month
        last = month
    yield first, last


def _month_start(month: int) -> str:
    return f"{_EPOCH_YEAR + month // 12:04}-{month % 12 + 1:02}-01T00:00:00+00:00"
