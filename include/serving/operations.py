"""The schema `ops`: by what runs agree with each other, and what readers are told about what they read."""

import psycopg

from include.errors import ServiceError
from include.serving.postgres import Postgres
from include.serving.server import READER

# The lease is one row that stays: only so can its number never decrease.
TABLES = """
create schema if not exists ops;
create table if not exists ops.lease (
    is_only boolean primary key default true check (is_only),
    number bigint not null,
    dag_id text,
    run_id text,
    home text,
    pid bigint,
    host text,
    taken_at timestamptz not null,
    life interval not null,
    expires_at timestamptz not null
);
create table if not exists ops.publication (
    is_current boolean primary key default true check (is_current),
    version text not null,
    run_id text not null,
    published_at timestamptz not null,
    row_counts jsonb not null
);
create table if not exists ops.publication_history (
    publication_number bigint generated always as identity primary key,
    version text not null,
    run_id text not null,
    published_at timestamptz not null,
    row_counts jsonb not null
);
create table if not exists ops.runs (
    lease_number bigint primary key,
    dag_id text not null,
    run_id text not null,
    taken_at timestamptz not null,
    ended_at timestamptz,
    outcome text check (outcome in ('succeeded', 'left_out', 'failed')),
    reason text,
    left_out jsonb,
    version text,
    published boolean,
    received bigint,
    accepted bigint,
    quarantined bigint,
    inserted bigint,
    updated bigint,
    deleted bigint,
    warnings jsonb,
    check ((outcome is null) = (ended_at is null))
);
create table if not exists ops.check_results (
    lease_number bigint not null,
    check_name text not null,
    site_id text not null,
    run_id text not null,
    version text not null,
    checked_at timestamptz not null,
    severity text not null check (severity in ('error', 'warning')),
    outcome text not null check (outcome in ('passed', 'failed', 'not_measured')),
    measured double precision,
    unit text not null,
    limit_text text not null,
    about text not null,
    concerns text not null,
    meaning text not null,
    primary key (lease_number, check_name, site_id),
    check ((outcome = 'not_measured') = (measured is null))
);
comment on table ops.check_results is
    'One row a try of a run, check and site (empty: the whole lake); kept for 90 days.';
comment on table ops.runs is
    'One row a try of a run, written when it takes the lease; one that was killed has no end.';
comment on table ops.publication is 'The version of the lake that the published tables show; one row.';
comment on table ops.publication_history is 'Every publication there was, the newest last.';
"""
GRANTS = f"""
grant usage on schema ops to {READER};
grant select on ops.publication, ops.publication_history to {READER};
"""
LOCK = "select pg_advisory_xact_lock(hashtextextended('nightscout-lakehouse operations', 0))"
HAS_READER = f"select from pg_roles where rolname = '{READER}'"
MAKE_READER = f"create role {READER}"  # who may log in as it is a matter of that server
EXISTS = (
    "select num_nulls(to_regclass('ops.runs'), to_regclass('ops.check_results')) = 0"  # the newest tables
)


def prepare(postgres: Postgres) -> None:
    """Make the tables of `ops` where they are absent; any number of processes may ask at once."""
    with postgres.transaction() as connection:
        if connection.execute(EXISTS).fetchone() == (True,):
            return
        connection.execute(LOCK)  # `create if not exists` alone fails when two do it at once
        try:
            if connection.execute(HAS_READER).fetchone() is None:
                connection.execute(MAKE_READER)
            connection.execute(TABLES)
            connection.execute(GRANTS)
        except psycopg.errors.InsufficientPrivilege as error:
            raise ServiceError(
                f"{postgres.user} may not prepare database {postgres.database} on {postgres.host} "
                f"({error.diag.message_primary}): let its administrator run `create role {READER}` and "
                f"`grant create on database {postgres.database} to {postgres.user}`, then try again"
            ) from None
