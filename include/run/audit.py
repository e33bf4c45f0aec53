"""The audit of a branch: what must hold before main may become it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from include.errors import AuditError, ContractError
from include.lakehouse import Branch
from include.schemas import AUDITED_MODELS, TABLE_RULES, Finding, check_frame, checks
from include.schemas.checks import CheckResult
from include.schemas.rules import ERROR

SHOWN = 10
ROWS_AT_ONCE = 100_000  # bounds the memory; a model is checked in pieces of so many rows


@dataclass(frozen=True)
class Audit:
    """What the audit of a branch found, a sentence each; all but `warnings` forbid to promote it."""

    branch: str
    ledger: Sequence[str]
    foreign_tables: Sequence[str]
    contracts: Sequence[str]
    warnings: Sequence[str]

    def results(self) -> list[CheckResult]:
        """The checks of the lake as a whole."""
        found = {
            checks.LEDGER: self.ledger,
            checks.OWN_TABLES: self.foreign_tables,
            checks.CONTRACTS: self.contracts,
            checks.CONTRACT_WARNINGS: self.warnings,
        }
        return [
            CheckResult(check, None, float(len(wrong)), not wrong, _shown(wrong))
            for check, wrong in found.items()
        ]

    def demand_soundness(self) -> None:
        """Raises AuditError with what is wrong; main then stays."""
        problems = [
            *(f"ledger: {problem}" for problem in self.ledger),
            *(f"table {name} is not one of ours" for name in self.foreign_tables),
            *self.contracts,
        ]
        if problems:
            shown = _shown(problems)
            raise AuditError(f"branch {self.branch} was not promoted, main is as it was: {shown}")


def audit_branch(branch: Branch, ledger_problems: Iterable[str], schemas: Mapping[str, str]) -> Audit:
    """Check every model under contract, and that there are no tables but ours; `ledger_problems` join in.

    `schemas` names the schema of each model that dbt builds. Raises AuditError when one under contract is
    not among them.
    """
    models = {f"{schema}.{name}" for name, schema in schemas.items()}
    contracts: list[str] = []
    warnings: list[str] = []
    for name in AUDITED_MODELS:
        try:
            for finding in _check(branch, name, schemas):
                (contracts if finding.severity == ERROR else warnings).append(str(finding))
        except ContractError as error:
            contracts.append(str(error))
    foreign = sorted(branch.foreign_tables(models))
    return Audit(branch.name, list(ledger_problems), foreign, contracts, warnings)


def _shown(problems: Sequence[str]) -> str:
    more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
    return f"{'; '.join(problems[:SHOWN])}{more}"


def _check(branch: Branch, name: str, schemas: Mapping[str, str]) -> Iterator[Finding]:
    if name not in schemas:
        raise AuditError(f"model {name} is under contract but dbt does not know it: make its manifest again")
    table = f"{schemas[name]}.{name}"
    yield from _of_pieces(branch, name, table)
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
