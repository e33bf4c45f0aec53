# ruff: noqa: S608 - the only names in the statements are columns of our own contracts, quoted
"""Rows on their way into a table: one a key, the last; compared with what the table holds.

They lie in DuckDB with little memory and go to the disk when they are many.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Self

import duckdb
import pyarrow as pa

from include.errors import ContractError, ServiceError
from include.lakehouse.engine import identifier, literal
from include.lakehouse.partitions import Partitioning

FIRST_SEEN = "first_seen_at"  # an updated row keeps that of the row it replaces
MEMORY = "100MB"


@dataclass(frozen=True)
class Changes:
    """What has to be written to some partitions: `rows` replace all that `partitions` hold."""

    partitions: frozenset[str]
    rows: pa.Table
    inserted: int
    updated: int


class Incoming:
    """Distinct rows of some batches: `receive` them, `locate` them in the table, then ask for `changes`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        schema: pa.Schema,
        partitioning: Partitioning,
        *,
        key: Sequence[str],
        bookkeeping: Collection[str],
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._partitioning = partitioning
        self.key = tuple(key)
        self._keys = ", ".join(map(identifier, key))
        self._compared = [name for name in schema.names if name not in {*key, *bookkeeping}]
        self._keeps_first_seen = FIRST_SEEN in schema.names and FIRST_SEEN not in key

    @classmethod
    @contextmanager
    def opened(
        cls,
        schema: pa.Schema,
        partitioning: Partitioning,
        *,
        key: Sequence[str],
        bookkeeping: Collection[str],
    ) -> Iterator[Self]:
        """One with a DuckDB of its own; `schema` is that of the table."""
        with TemporaryDirectory(prefix="lakehouse-merge-") as folder, duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("set preserve_insertion_order = false")
            connection.execute("set threads = 2")  # each needs memory of its own
            connection.execute(f"set memory_limit = '{MEMORY}'")
            connection.execute(f"set temp_directory = {literal(folder)}")
            try:
                yield cls(connection, schema, partitioning, key=key, bookkeeping=bookkeeping)
            except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
                raise ServiceError(
                    f"many rows need room in {gettempdir()}: free some space there, or let TMPDIR name a "
                    f"folder on another disk ({error})"
                ) from error

    def receive(self, batches: Iterable[pa.Table]) -> tuple[int, int]:
        """Take all batches; gives the number of distinct keys, and of rows that a later one replaced.

        Raises ContractError when a batch does not have the table's columns, or nulls where none may be.
        """
        received = 0
        place = self._partitioning.sql("batch")
        self._register("batch", self._numbered(self._schema.empty_table(), 0))
        self._run(f"create table incoming as select *, {place} as place from batch")
        for batch in batches:
            self._register("batch", self._numbered(self._checked(batch), received))
            self._run(f"insert into incoming select *, {place} from batch")
            received += len(batch)
        self._run(f"create table last as select max(arrival) as arrival from incoming group by {self._keys}")
        kept = self._number("select count(*) from last")
        if kept < received:
            self._run("delete from incoming where arrival not in (select arrival from last)")
        self._run("drop table last")
        return kept, received - kept

    def key_ranges(self) -> list[tuple[str, Any, Any]]:
        """Each column of the key with its least and greatest value."""
        bounds = ", ".join(f"min({name}), max({name})" for name in map(identifier, self.key))
        row = self._run(f"select {bounds} from incoming").fetchall()[0]
        return list(zip(self.key, row[::2], row[1::2], strict=True))

    def locate(self, held: Iterable[pa.Table]) -> dict[str, int]:
        """Learn where the table holds these keys; gives the partitions to look into, with incoming rows.

        `held`: at least the table's rows within `key_ranges`; their key, partition columns, `first_seen_at`.
        Raises ContractError when the table holds a key twice.
        """
        seen = f"held.{FIRST_SEEN}" if self._keeps_first_seen else "null"
        self._run(f"""create or replace table located as
            select {self._keys}, '' as former, null::timestamptz as seen from incoming limit 0""")
        for rows in held:
            self._register("held", rows)
            self._run(f"""insert into located select {self._keys}, {self._partitioning.sql("held")}, {seen}
                from held semi join incoming using ({self._keys})""")
        if twice := self._run(
            f"select {self._keys} from located group by all having count(*) > 1"
        ).fetchone():
            raise ContractError(f"the table holds {twice} twice: roll back to an older version")
        if self._keeps_first_seen and self._partitioning.instant == FIRST_SEEN:
            self._run(f"""update incoming set {FIRST_SEEN} = seen, place = former
                from located where {self._same("incoming", "located")}""")
        self._run(f"""create or replace table moved as
            select {self._keys}, former
            from located join incoming using ({self._keys}) where former <> place""")
        found = self._run("""select place, count(*) from incoming group by all
            union all select distinct former, 0 from moved""").fetchall()
        rows_in = dict.fromkeys((place for place, _ in found), 0)
        for place, rows in found:
            rows_in[place] += rows
        return rows_in

    def changes(self, group: Collection[str], current: pa.Table) -> Changes | None:
        """What differs in these partitions, of which `current` is all the table holds; None: nothing.

        `group`: neighbours among the partitions that `locate` gave.
        """
        self._register("current", current)
        bounds = [min(group), max(group)]
        first_seen = f"replace (coalesce(seen, part.{FIRST_SEEN}) as {FIRST_SEEN})"
        differs = " or ".join(
            f"current.{name} is distinct from part.{name}" for name in map(identifier, self._compared)
        )
        self._run("create or replace table part as from incoming where place between $1 and $2", bounds)
        self._run(f"""create or replace table changed as
            select part.* {first_seen if self._keeps_first_seen else ""}, former
            from part
                left join located using ({self._keys})
                left join current on {self._same("current", "part")}
            where former is null or former <> place or {differs or "false"}""")
        dirty = self._run(
            """select place from changed
            union select former from moved where former between $1 and $2""",
            bounds,
        ).fetchall()
        if not dirty:
            return None
        inserted = self._number("select count(*) from changed where former is null")
        updated = self._number("select count(*) from changed where former is not null")
        partitions = frozenset(place for (place,) in dirty)
        return Changes(partitions, self._new_content(partitions), inserted, updated)

    def _new_content(self, partitions: Collection[str]) -> pa.Table:
        columns = ", ".join(map(identifier, self._schema.names))
        order = ", ".join(map(identifier, dict.fromkeys([*self._partitioning.columns, *self.key])))
        rows = self._run(
            f"""select {columns} from changed
            union all
            select {columns} from current
                anti join (
                    select {self._keys} from changed union all select {self._keys} from moved
                ) using ({self._keys})
            where {self._partitioning.sql("current")} in (select unnest($1))
            order by {order}""",
            [list(partitions)],
        ).to_arrow_table()
        return rows.cast(self._schema)

    def _same(self, one: str, other: str) -> str:
        return " and ".join(f"{one}.{name} = {other}.{name}" for name in map(identifier, self.key))

    def _checked(self, batch: pa.Table) -> pa.Table:
        try:
            return batch.select(self._schema.names).cast(self._schema)
        except (KeyError, ValueError, pa.ArrowInvalid) as error:
            raise ContractError(f"rows do not fit the table, nothing was written: {error}") from error

    def _numbered(self, batch: pa.Table, start: int) -> pa.Table:
        numbers = pa.array(range(start, start + len(batch)), pa.int64())
        return batch.append_column("arrival", numbers)

    def _register(self, name: str, rows: pa.Table) -> None:
        self._connection.register(name, rows)

    def _run(self, sql: str, parameters: Sequence[object] = ()) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(sql, list(parameters))

    def _number(self, sql: str) -> int:
        return int(self._run(sql).fetchall()[0][0])
