"""Publish: one version of the lake replaces the other in Postgres, all tables in one transaction."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.types.json import Jsonb

from include.errors import InputError, PublishError
from include.serving.column_types import published_types
from include.serving.lease import Lease, Leases
from include.serving.operations import prepare
from include.serving.postgres import Connection, Postgres
from include.serving.published_models import PublishedModel
from include.serving.published_table import SCHEMA, PublishedTable, check_columns, drop_table
from include.serving.server import READER

PATIENCE = "5s"  # with readers' locks, which only a changed shape meets, and with those of other writers
STAGING = "publishing_"  # schemas of this prefix are ours; each publication has one to itself

CURRENT = "select version, run_id, published_at, row_counts from ops.publication"
RECORD = """
with history as (
    insert into ops.publication_history (version, run_id, published_at, row_counts)
    values (%(version)s, %(run_id)s, now(), %(row_counts)s)
)
insert into ops.publication (version, run_id, published_at, row_counts)
values (%(version)s, %(run_id)s, now(), %(row_counts)s)
on conflict (is_current) do update set version = excluded.version, run_id = excluded.run_id,
    published_at = excluded.published_at, row_counts = excluded.row_counts
returning version, run_id, published_at, row_counts
"""
LEFT_OVER = "select nspname from pg_namespace where starts_with(nspname, %s)"


class PublishedView(Protocol):
    """What publishing needs of a version of the lake."""

    @property
    def name(self) -> str:
        """Name of the version."""

    def query(self, sql: str) -> pa.Table:
        """The rows of one query."""

    def copy_to_postgres(
        self, models: Sequence[tuple[str, str]], postgres: Mapping[str, Any], staging_schema: str
    ) -> dict[str, int]:
        """Copy each model (schema, table) to `staging_schema.table`; gives the lake's row counts."""


@dataclass(frozen=True)
class Publication:
    """What readers see: a version of the lake, with the rows of each table."""

    version: str
    run_id: str
    published_at: datetime
    row_counts: dict[str, int]


def published_version(postgres: Postgres) -> Publication | None:
    """What readers see now; None before the first publication. Raises ServiceError."""
    prepare(postgres)
    with postgres.transaction() as connection:
        row = connection.execute(CURRENT).fetchone()
    return Publication(*row) if row else None


def publish(
    view: PublishedView,
    postgres: Postgres,
    models: Sequence[PublishedModel],
    lease: Lease,
    leases: Leases,
    run_id: str,
) -> Publication:
    """Let readers see this version, whole or not at all; does nothing when they do already.

    Raises PublishError (readers keep what they had), LeaseLostError, ServiceError.
    """
    shown = published_version(postgres)
    if shown and shown.version == view.name:
        return shown
    types = check_view(view, models)
    staging = _open_staging(lease, leases)
    counts = view.copy_to_postgres(
        [(model.schema, model.name) for model in models], postgres.parameters, staging
    )
    _compare(counts, _row_counts(view, models), "were copied out of the lake")
    with leases.held(lease) as connection, _readable_errors():
        connection.execute("select set_config('lock_timeout', %s, true)", [PATIENCE])
        _make_schema(connection)
        replaced = {
            model.name: PublishedTable(connection, model, types[model.name]).replace(staging)
            for model in models
        }
        _compare(replaced, counts, "arrived in Postgres")
        for name in (shown.row_counts if shown else {}).keys() - replaced.keys():
            drop_table(connection, name)
        _drop_schema(connection, staging)
        facts = {"version": view.name, "run_id": run_id, "row_counts": Jsonb(replaced)}
        row = connection.execute(RECORD, facts).fetchone()
    if row is None:
        raise PublishError("Postgres did not record the publication: publish again")
    return Publication(*row)


def check_view(view: PublishedView, models: Sequence[PublishedModel]) -> dict[str, dict[str, str]]:
    """The published types of each model's columns. Raises PublishError when the view lacks what is shown."""
    return {model.name: _types(view, model) for model in models}


def _types(view: PublishedView, model: PublishedModel) -> dict[str, str]:
    try:
        empty = view.query(f"select * from {_quoted(model)} limit 0")  # noqa: S608 (names were checked)
    except InputError as error:
        raise PublishError(
            f"version {view.name} has no {model.schema}.{model.name}, which readers are shown"
        ) from error
    types = published_types(model.name, empty.schema)
    check_columns(model, types)
    return types


def _row_counts(view: PublishedView, models: Sequence[PublishedModel]) -> dict[str, int]:
    counts = [
        f"select '{model.name}' as name, count(*) as row_count from {_quoted(model)}"  # noqa: S608 (as above)
        for model in models
    ]
    return {row["name"]: row["row_count"] for row in view.query(" union all ".join(counts)).to_pylist()}


def _quoted(model: PublishedModel) -> str:
    return f'"{model.schema}"."{model.name}"'


def _compare(found: Mapping[str, int], expected: Mapping[str, int], what: str) -> None:
    for name, count in expected.items():
        if found.get(name) != count:
            raise PublishError(f"{found.get(name)} rows of {name} {what} instead of {count}: publish again")


def _open_staging(lease: Lease, leases: Leases) -> str:
    """A schema for this publication alone, made after those of dead runs were swept away."""
    with leases.held(lease) as connection, _readable_errors():
        for (left_over,) in connection.execute(LEFT_OVER, [STAGING]).fetchall():
            try:
                with connection.transaction():
                    _drop_schema(connection, left_over)
            except psycopg.errors.LockNotAvailable:
                continue  # its writer lost the lease but goes on; it can do no harm there
        staging = f"{STAGING}{lease.number}_{secrets.token_hex(4)}"
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(staging)))
    return staging


def _make_schema(connection: Connection) -> None:
    if connection.execute("select to_regnamespace(%s) is null", [SCHEMA]).fetchone() == (True,):
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
        grant = sql.SQL("grant usage on schema {} to {}")
        connection.execute(grant.format(sql.Identifier(SCHEMA), sql.Identifier(READER)))


def _drop_schema(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(name)))


@contextmanager
def _readable_errors() -> Iterator[None]:
    """What Postgres says about the tables, as one sentence; the transaction is undone either way."""
    try:
        yield
    except psycopg.errors.DependentObjectsStillExist as error:
        raise PublishError(
            f"{error.diag.message_primary}: {error.diag.message_detail}. "
            "Drop or change what depends on it, then publish again; readers keep the last publication"
        ) from None
    except psycopg.errors.LockNotAvailable:
        raise PublishError(
            f"another session keeps a published table locked for more than {PATIENCE}: "
            "end it, then publish again; readers keep the last publication"
        ) from None
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        table = f"{error.diag.table_name}: " if error.diag.table_name else ""
        raise PublishError(f"the publication was undone: {table}{error.diag.message_primary}") from None
