"""One table that readers see, and how its rows and its shape are replaced under their eyes."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql

from include.errors import PublishError
from include.serving.column_types import check_staged_types
from include.serving.postgres import Connection
from include.serving.published_models import PublishedModel
from include.serving.server import READER

SCHEMA = "marts"

COLUMNS = """
select attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum)
from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum
"""
INDEXES = """
select (
        select array_agg(attname order by position)
        from unnest(indkey::int2[]) with ordinality as key (number, position)
        join pg_attribute on attrelid = indrelid and attnum = number
    ) as columns,
    case when indisprimary then relname end as primary_key
from pg_index join pg_class on pg_class.oid = indexrelid
where indrelid = to_regclass(%s) and indpred is null and indexprs is null and indisvalid
"""
DESCRIPTION = (
    "select obj_description(to_regclass(%s), 'pg_class'), has_table_privilege(%s, to_regclass(%s), 'select')"
)


class PublishedTable:
    """`marts.<model>` within one transaction.

    Rows are deleted and inserted, never truncated, and columns dropped and added, never rewritten: readers
    are not blocked, those with an older snapshot keep their rows, and what others made on top of the table
    (grants, indexes, views) stays. Only what is different is touched: only that needs locks readers notice.
    """

    def __init__(self, connection: Connection, model: PublishedModel, types: Mapping[str, str]) -> None:
        self.connection = connection
        self.model = model
        self.types = types
        self.name = f"{SCHEMA}.{model.name}"
        self.identifier = sql.Identifier(SCHEMA, model.name)

    def replace(self, staging_schema: str) -> int:
        """Show the staged rows in the model's shape; gives their number. PublishError, psycopg.Error."""
        staged = self._fetch(COLUMNS, f"{staging_schema}.{self.model.name}")
        check_staged_types(self.model.name, self.types, {name: spelling for name, spelling, *_ in staged})
        self._run("create table if not exists {table} ()")
        self._run("delete from {table}")
        self._reshape()
        rows = self._run(
            "insert into {table} ({columns}) select {columns} from {staged}",
            columns=_list(list(self.types)),
            staged=sql.Identifier(staging_schema, self.model.name),
        )
        self._add_keys()
        self._describe()
        return rows

    def _reshape(self) -> None:
        """Columns of the model's types, and nothing demanded of them that the model does not promise."""
        self._drop_other_key()
        kept = []
        for name, spelling, is_required, _ in self._fetch(COLUMNS, self.name):
            column = sql.Identifier(name)
            if self.types.get(name) != spelling:
                self._run("alter table {table} drop column {column}", column=column)
                continue
            kept.append(name)
            if is_required and name not in self.model.key:
                self._run("alter table {table} alter column {column} drop not null", column=column)
        for name, spelling in self.types.items():
            if name not in kept:
                self._run(
                    "alter table {table} add column {column} {type}",
                    column=sql.Identifier(name),
                    type=sql.SQL(spelling),
                )

    def _drop_other_key(self) -> None:
        for columns, primary_key in self._fetch(INDEXES, self.name):
            if primary_key and tuple(columns) != self.model.key:
                self._run("alter table {table} drop constraint {key}", key=sql.Identifier(primary_key))

    def _add_keys(self) -> None:
        there = self._fetch(INDEXES, self.name)
        if not any(primary_key for _, primary_key in there):
            self._run("alter table {table} add primary key ({columns})", columns=_list(self.model.key))
        for index in self.model.indexes:
            if index not in [tuple(columns) for columns, _ in there]:
                self._run("create index on {table} ({columns})", columns=_list(index))

    def _describe(self) -> None:
        ((description, is_readable),) = self._fetch(DESCRIPTION, self.name, READER, self.name)
        if (description or "") != self.model.description:
            self._run("comment on table {table} is {text}", text=sql.Literal(self.model.description))
        if not is_readable:
            self._run("grant select on {table} to {reader}", reader=sql.Identifier(READER))
        for name, _, _, comment in self._fetch(COLUMNS, self.name):
            wanted = self.model.columns.get(name, "")
            if (comment or "") != wanted:
                column = sql.Identifier(SCHEMA, self.model.name, name)
                self._run("comment on column {column} is {text}", column=column, text=sql.Literal(wanted))

    def _run(self, statement: str, **parts: sql.Composable) -> int:
        composed = sql.SQL(statement).format(table=self.identifier, **parts)
        return self.connection.execute(composed).rowcount

    def _fetch(self, statement: str, *parameters: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, parameters).fetchall()


def drop_table(connection: Connection, name: str) -> None:
    """Drop `marts.<name>`, whose model is gone. Raises psycopg.Error when something depends on it."""
    connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(SCHEMA, name)))


def check_columns(model: PublishedModel, types: Mapping[str, str]) -> None:
    """Raises PublishError when the key or an index names a column that the model does not have."""
    for name in (*model.key, *(name for index in model.indexes for name in index)):
        if name not in types:
            raise PublishError(f"published model {model.name} has no column {name}, which its meta names")


def _list(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)
