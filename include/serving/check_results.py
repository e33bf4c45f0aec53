"""`ops.check_results`: what each run's checks found, those that passed too, for `KEPT_DAYS`."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from include.schemas.checks import FAILED, PASSED, Check, CheckResult
from include.serving.operations import prepare
from include.serving.postgres import Postgres

KEPT_DAYS = 90
WHOLE_LAKE = ""  # as site_id: the check is of no single site

WRITE = """
insert into ops.check_results (lease_number, check_name, site_id, run_id, version, checked_at, severity,
    outcome, measured, unit, limit_text, about, concerns, meaning)
values (%(lease_number)s, %(check_name)s, %(site_id)s, %(run_id)s, %(version)s, now(), %(severity)s,
    %(outcome)s, %(measured)s, %(unit)s, %(limit_text)s, %(about)s, %(concerns)s, %(meaning)s)
"""
FORGET = """
delete from ops.check_results
where
    lease_number = %s and check_name = any(%s)
    or checked_at < now() - make_interval(days => %s)
"""
OF_SITES = "select exists (select from ops.check_results where lease_number = %s and site_id <> '')"
LAST = """
select * from ops.check_results
where lease_number = (select max(lease_number) from ops.check_results)
order by array_position(array['failed', 'not_measured', 'passed'], outcome), severity, check_name, site_id
"""


def record_checks(
    postgres: Postgres, number: int, run_id: str, version: str, results: Sequence[CheckResult]
) -> None:
    """Keep what the run with this lease found in `version`, instead of what the same checks found before."""
    rows = [
        {
            "lease_number": number,
            "check_name": result.check.name,
            "site_id": result.site_id or WHOLE_LAKE,
            "run_id": run_id,
            "version": version,
            "severity": result.check.severity,
            "outcome": result.outcome,
            "measured": result.measured,
            "unit": result.check.unit,
            "limit_text": result.check.limit,
            "about": result.about,
            "concerns": result.check.concerns,
            "meaning": result.check.meaning,
        }
        for result in results
    ]
    prepare(postgres)
    with postgres.transaction() as connection:
        connection.execute(FORGET, [number, [row["check_name"] for row in rows], KEPT_DAYS])
        connection.cursor().executemany(WRITE, rows)


def has_checks_of_sites(postgres: Postgres, number: int) -> bool:
    """Whether the run with this lease recorded any of a site."""
    prepare(postgres)
    with postgres.transaction() as connection:
        return connection.execute(OF_SITES, [number]).fetchone() == (True,)


def last_checks(postgres: Postgres) -> list[dict[str, Any]]:
    """What the last run that checked anything found, what is wrong first, as the table has it."""
    prepare(postgres)
    with postgres.transaction() as connection:
        return connection.cursor(row_factory=psycopg.rows.dict_row).execute(LAST).fetchall()


def result_of(row: Mapping[str, Any]) -> CheckResult:
    """The result that a row keeps, by the limit of the program that wrote it."""
    names = ("check_name", "severity", "unit", "limit_text", "concerns", "meaning")
    check = Check(*(row[name] for name in names))
    is_met = {PASSED: True, FAILED: False}.get(row["outcome"])
    return CheckResult(check, row["site_id"] or None, row["measured"], is_met, row["about"])
