"""The audit of a branch: what must hold before main may become it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from include.errors import AuditError, ContractError
from include.lakehouse import Branch
from include.schemas import AUDITED_MODELS, TABLE_RULES, Finding, check_frame

SHOWN = 10
ROWS_AT_ONCE = 100_000  # bounds the memory; a model is checked in pieces of so many rows


@dataclass(frozen=True)
class Audit:
    """What the audit saw: the head that may be promoted, and the warnings that a person should read."""

    head: str
    warnings: tuple[str, ...]


def audit_branch(branch: Branch, ledger_problems: Iterable[str], schemas: Mapping[str, str]) -> Audit:
    """Check the ledger, every model under contract, and that there are no tables but ours.

    `schemas` names the schema of each model that dbt builds. Raises AuditError with every problem; main then
    stays.
    """
    problems = [f"ledger: {problem}" for problem in ledger_problems]
    models = {f"{schema}.{name}" for name, schema in schemas.items()}
    problems += [f"table {name} is not one of ours" for name in sorted(branch.foreign_tables(models))]
    findings = [finding for name in AUDITED_MODELS for finding in _check(branch, name, schemas)]
    problems += [str(finding) for finding in findings if finding.severity == "error"]
    if problems:
        more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
        raise AuditError(
            f"branch {branch.name} was not promoted, main is as it was: {'; '.join(problems[:SHOWN])}{more}"
        )
    return Audit(branch.head(), tuple(str(finding) for finding in findings))


def _check(branch: Branch, name: str, schemas: Mapping[str, str]) -> Iterator[Finding]:
    if name not in schemas:
        raise AuditError(f"model {name} is under contract but dbt does not know it: make its manifest again")
    table = f"{schemas[name]}.{name}"
    try:
        yield from _of_pieces(branch, name, table)
    except ContractError as error:
        raise AuditError(f"branch {branch.name} was not promoted, main is as it was: {error}") from error
    for rule in TABLE_RULES.get(name, ()):
        sites = branch.query(rule.query(table))["site_id"].to_pylist()
        if sites:
            yield Finding(name, rule.severity, rule.code, len(sites), (str(sites[0]),))


def _of_pieces(branch: Branch, name: str, table: str) -> Iterable[Finding]:
    """What single rows break: each rule once, however many pieces of the table show it."""
    query = f"select * from {table}"  # noqa: S608 (names from dbt's manifest)
    found: dict[tuple[str, str], Finding] = {}
    for rows in branch.query_batches(query, rows=ROWS_AT_ONCE):
        for finding in check_frame(name, pl.DataFrame(rows)):
            broken = finding.severity, finding.check
            before = found.get(broken)
            more = replace(before, row_count=before.row_count + finding.row_count) if before else finding
            found[broken] = more
    return found.values()
