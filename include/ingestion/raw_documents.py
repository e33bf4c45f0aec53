"""The documents of one site and collection as a raw table holds them: light columns, whole rows of a few."""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import or_

import polars as pl
import pyarrow as pa
from pyiceberg import expressions
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import DataScan, Table

from include.ingestion.spans import Span, join_spans
from include.nightscout.windows import Collection, Window

MOST_KEYS = 200  # PyIceberg prunes no file by a longer list

# PyIceberg's own signatures confuse the type checker
_equal: Callable[..., BooleanExpression] = expressions.EqualTo
_one_of: Callable[..., BooleanExpression] = expressions.In
_at_least: Callable[..., BooleanExpression] = expressions.GreaterThanOrEqual
_at_most: Callable[..., BooleanExpression] = expressions.LessThanOrEqual
_below: Callable[..., BooleanExpression] = expressions.LessThan

_LIGHT = ("_id", "content_hash", "deleted_at", "ingested_at", "first_seen_at")


class RawDocuments:
    """Reads a raw table of a branch; writes nothing."""

    def __init__(self, table: Table, site_id: str, collection: Collection) -> None:
        self._table = table
        self._collection = collection
        self._columns = (*_LIGHT, collection.filter_column)
        self._of_site = _equal("site_id", site_id)
        self._is_empty = table.current_snapshot() is None

    def light(self, windows: Sequence[Window], identifiers: pl.Series) -> pl.DataFrame:
        """Each stored document that the filter of one of the windows selects, and each with one of these ids.

        Columns `_id, content_hash, deleted_at, ingested_at, first_seen_at` and the filter's own.
        """
        if self._is_empty:
            return self._no_rows()
        near = self._near(windows) if windows else self._no_rows()
        others = identifiers.filter(~identifiers.is_in(near["_id"].implode())).unique()
        return pl.concat([near, self._with_keys(others)]) if len(others) else near

    def whole(self, identifiers: Sequence[str]) -> Iterator[pa.Table]:
        """Every column of these documents, in parts."""
        for first in range(0, len(identifiers), MOST_KEYS):
            keys = _one_of("_id", identifiers[first : first + MOST_KEYS])
            yield self._table.scan(row_filter=And(self._of_site, keys)).to_arrow()

    def live_count(self) -> int:
        """How many documents are live: each file counts its nulls of `deleted_at`."""
        if self._is_empty:
            return 0
        field = self._table.schema().find_field("deleted_at")
        files = self._table.scan(row_filter=self._of_site, selected_fields=(field.name,)).plan_files()
        return sum(task.file.null_value_counts[field.field_id] for task in files)

    def _near(self, windows: Sequence[Window]) -> pl.DataFrame:
        """By the column that holds what a site's filter compares: exact, and files are pruned by it."""
        if self._collection.is_read_whole:
            return self._scan(AlwaysTrue())
        spans = join_spans((window.start, window.end) for window in windows)
        return self._scan(reduce(or_, (self._selects(span) for span in spans)))

    def _with_keys(self, identifiers: pl.Series) -> pl.DataFrame:
        """Documents that lie outside the windows: edited to another time since, or another day's look-up."""
        if len(identifiers) <= MOST_KEYS:
            return self._scan(_one_of("_id", identifiers.to_list()))
        within = And(_at_least("_id", identifiers.min()), _at_most("_id", identifiers.max()))
        is_asked = pl.col("_id").is_in(identifiers.implode())
        # Ids in no order lie in every file: only what was asked for is kept of one before the next is read.
        scan = self._light_columns(within)
        reader = ArrowScan(self._table.metadata, self._table.io, scan.projection(), scan.row_filter)
        found = [self._frame(reader.to_table([file])).filter(is_asked) for file in scan.plan_files()]
        return pl.concat([self._no_rows(), *found])

    def _scan(self, condition: BooleanExpression) -> pl.DataFrame:
        return self._frame(self._light_columns(condition).to_arrow())

    def _light_columns(self, condition: BooleanExpression) -> DataScan:
        return self._table.scan(row_filter=And(self._of_site, condition), selected_fields=self._columns)

    def _frame(self, rows: pa.Table) -> pl.DataFrame:
        return pl.DataFrame(rows.select(self._columns))

    def _no_rows(self) -> pl.DataFrame:
        return self._frame(self._table.schema().as_arrow().empty_table())

    def _selects(self, span: Span) -> BooleanExpression:
        field, (start, end) = self._collection.filter_column, map(self._collection.filter_bound, span)
        return And(_at_least(field, start), _below(field, end))
