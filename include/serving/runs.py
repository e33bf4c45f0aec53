"""`ops.runs`: what became of every try of a run, one row a lease, from the moment it is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from include.serving.operations import prepare
from include.serving.postgres import Connection, Postgres

SUCCEEDED, LEFT_OUT, FAILED = "succeeded", "left_out", "failed"
COUNTS = ("received", "accepted", "quarantined", "inserted", "updated", "deleted")

# A run that gets its own lease again, because it was killed at its very end, is under way again.
BEGIN = """
insert into ops.runs (lease_number, dag_id, run_id, taken_at) values (%s, %s, %s, %s)
on conflict (lease_number) do update set ended_at = null, outcome = null, reason = null
"""
END = """
update ops.runs set ended_at = coalesce(ended_at, now()), outcome = %(outcome)s, reason = %(reason)s,
    left_out = %(left_out)s, version = %(version)s, published = %(published)s, warnings = %(warnings)s,
    received = %(received)s, accepted = %(accepted)s, quarantined = %(quarantined)s,
    inserted = %(inserted)s, updated = %(updated)s, deleted = %(deleted)s
where lease_number = %(lease_number)s
"""
LAST = "select * from ops.runs order by lease_number desc limit %s"


@dataclass(frozen=True)
class Ending:
    """How a try of a run ended.

    `version` is the one it promoted; `published` whether readers were given another one; `left_out` are the
    ids of sites. A count that is missing was never known.
    """

    outcome: str
    reason: str | None = None
    left_out: Sequence[str] = ()
    version: str | None = None
    published: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def begin_run(connection: Connection, number: int, dag_id: str, run_id: str, taken_at: datetime) -> None:
    """Add the row, in the transaction that takes the lease: there is no lease without one."""
    connection.execute(BEGIN, [number, dag_id, run_id, taken_at])


def end_run(postgres: Postgres, number: int, ending: Ending) -> None:
    """Say how the try that held this lease ended; a second time changes nothing."""
    facts = {
        "lease_number": number,
        "outcome": ending.outcome,
        "reason": ending.reason,
        "left_out": Jsonb(list(ending.left_out)),
        "version": ending.version,
        "published": ending.published,
        "warnings": Jsonb(list(ending.warnings)),
    }
    with postgres.transaction() as connection:
        connection.execute(END, facts | {name: ending.counts.get(name) for name in COUNTS})


def last_runs(postgres: Postgres, limit: int = 10) -> list[dict[str, Any]]:
    """The last tries, the newest first, as the table has them."""
    prepare(postgres)
    with postgres.transaction() as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute(LAST, [limit]).fetchall()
