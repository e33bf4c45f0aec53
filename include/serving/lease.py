"""The lease: one writer of the lakehouse at a time, a row in Postgres with an owner and a life."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import psycopg

from include.errors import LeaseLostError
from include.serving.operations import prepare
from include.serving.postgres import Connection, Postgres
from include.serving.runs import begin_run

READ = "select dag_id, run_id, home, pid, host, number, expires_at from ops.lease where run_id is not null"
# One statement decides: of two takers the second waits for the row and then judges what the first left there.
# A lease that its owner renewed meanwhile has another end than the one that was judged dead.
TAKE = """
insert into ops.lease as l (number, dag_id, run_id, home, pid, host, taken_at, life, expires_at)
values (1, %(dag_id)s, %(run_id)s, %(home)s, %(pid)s, %(host)s, now(), %(life)s, now() + %(life)s)
on conflict (is_only) do update set
    number = case when (l.dag_id, l.run_id, l.home) = (excluded.dag_id, excluded.run_id, excluded.home)
        then l.number else l.number + 1 end,
    taken_at = case when (l.dag_id, l.run_id, l.home) = (excluded.dag_id, excluded.run_id, excluded.home)
        then l.taken_at else now() end,
    dag_id = excluded.dag_id, run_id = excluded.run_id, home = excluded.home,
    pid = excluded.pid, host = excluded.host, life = excluded.life, expires_at = excluded.expires_at
where (l.dag_id, l.run_id, l.home) = (excluded.dag_id, excluded.run_id, excluded.home)
    or l.run_id is null
    or l.expires_at <= now()
    or (l.number, l.expires_at) = (%(ended_number)s, %(ended_expires_at)s)
returning number, taken_at
"""
LOCK = """
select 1 from ops.lease
where (number, dag_id, run_id, home) = (%(number)s, %(dag_id)s, %(run_id)s, %(home)s)
for update
"""
RENEW = "update ops.lease set expires_at = now() + life"
RELEASE = "update ops.lease set dag_id = null, run_id = null, home = null, pid = null, host = null"
DO_NOT_HANG = "set local lock_timeout = '10s'"  # behind a writer that Postgres takes for connected still


@dataclass(frozen=True)
class Owner:
    """A run that may hold the lease: known by Dag, run and AIRFLOW_HOME, found by process and host."""

    dag_id: str
    run_id: str
    home: str
    pid: int
    host: str

    def is_same_run(self, other: "Owner") -> bool:
        """Whether both name one run, be it in another process."""
        return (self.dag_id, self.run_id, self.home) == (other.dag_id, other.run_id, other.home)


@dataclass(frozen=True)
class Lease:
    """The right to write. `number` grows with every take of it; `taken_at` is by Postgres' clock, UTC."""

    owner: Owner
    number: int
    taken_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """The lease as JSON can keep it."""
        return {"owner": asdict(self.owner), "number": self.number, "taken_at": self.taken_at.isoformat()}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Self:
        """The lease that `as_dict` wrote; other keys may lie beside."""
        return cls(Owner(**facts["owner"]), facts["number"], datetime.fromisoformat(facts["taken_at"]))


class Leases:
    """The lease of one lakehouse, in its Postgres. Methods raise ServiceError when that is not usable."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres

    def take(self, owner: Owner, life: timedelta, has_ended: Callable[[Owner], bool]) -> Lease | None:
        """The lease, or None while another run holds it.

        The same run gets its own lease again, renewed. Another one's is taken over when its life is over, or
        when `has_ended` says so of its owner.
        """
        prepare(self.postgres)
        ended_number, ended_expires_at = self._ended(owner, has_ended)
        with self.postgres.transaction() as connection:
            connection.execute(DO_NOT_HANG)
            ended = {"ended_number": ended_number, "ended_expires_at": ended_expires_at}
            try:
                taken = connection.execute(TAKE, asdict(owner) | {"life": life} | ended).fetchone()
                if taken:
                    begin_run(connection, taken[0], owner.dag_id, owner.run_id, taken[1])
            except psycopg.errors.LockNotAvailable:
                return None  # its holder promotes or publishes at this moment
        return Lease(owner, *taken) if taken else None

    def holder(self) -> Owner | None:
        """Who holds the lease, its life over or not; None when nobody does."""
        prepare(self.postgres)
        with self.postgres.transaction() as connection:
            row = connection.execute(READ).fetchone()
        return Owner(*row[:5]) if row else None

    @contextmanager
    def held(self, lease: Lease) -> Iterator[Connection]:
        """A transaction during which nobody can take the lease, expired or not: takers wait for its end.

        Raises LeaseLostError, before the block is entered, when another run has taken it or it was released.
        """
        with self.postgres.transaction() as connection:
            connection.execute(DO_NOT_HANG)
            if not connection.execute(LOCK, asdict(lease.owner) | {"number": lease.number}).fetchone():
                raise LeaseLostError(
                    f"run {lease.owner.run_id} of {lease.owner.dag_id} no longer holds its lease "
                    f"(number {lease.number}): clear the whole run, so that it opens its branch again"
                )
            yield connection

    def check(self, lease: Lease) -> None:
        """Raises LeaseLostError when another run has taken the lease, or it was released."""
        with self.held(lease):
            pass

    def renew(self, lease: Lease) -> None:
        """Let it live as long again as when it was taken, from now on. Raises LeaseLostError."""
        with self.held(lease) as connection:
            connection.execute(RENEW)

    def release(self, lease: Lease) -> None:
        """Give it back; does nothing when it is no longer this lease."""
        with suppress(LeaseLostError), self.held(lease) as connection:
            connection.execute(RELEASE)

    def _ended(
        self, owner: Owner, has_ended: Callable[[Owner], bool]
    ) -> tuple[int, datetime] | tuple[None, None]:
        """Number and end of a lease whose owner has ended; asked outside of a transaction: it may be slow."""
        with self.postgres.transaction() as connection:
            row = connection.execute(READ).fetchone()
        if row is None:
            return None, None
        holder = Owner(*row[:5])
        return row[5:] if not holder.is_same_run(owner) and has_ended(holder) else (None, None)
