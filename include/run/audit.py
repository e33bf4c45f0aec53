"""The audit of a branch: what must hold before main may become it."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from include.errors import AuditError
from include.lakehouse import Branch
from include.schemas.audit import AUDITED_MODELS, Finding, check_frame

SHOWN = 10


@dataclass(frozen=True)
class Audit:
    """What the audit saw: the head that may be promoted, and the warnings that a person should read."""

    head: str
    warnings: tuple[str, ...]


def audit_branch(branch: Branch, ledger_problems: Iterable[str], models: dict[str, str]) -> Audit:
    """Check the ledger, every model under contract, and that only owned tables changed.

    `models` maps each audited model to its schema. Raises AuditError with every problem; main then stays.
    """
    problems = [f"ledger: {problem}" for problem in ledger_problems]
    problems += [f"table {name} is not one of ours" for name in sorted(branch.foreign_tables())]
    findings = [
        finding for name in AUDITED_MODELS if name in models for finding in _check(branch, models[name], name)
    ]
    problems += [str(finding) for finding in findings if finding.severity == "error"]
    if problems:
        more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
        raise AuditError(
            f"branch {branch.name} was not promoted, main is as it was: " + "; ".join(problems[:SHOWN]) + more
        )
    return Audit(branch.head(), tuple(str(finding) for finding in findings))


def _check(branch: Branch, schema: str, name: str) -> list[Finding]:
    rows = branch.query(f"select * from {schema}.{name}")  # noqa: S608 (names from dbt's manifest)
    return check_frame(name, pl.DataFrame(rows))
