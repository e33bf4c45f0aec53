"""The ledger: what the outcomes of a run claim, checked against the stage and against raw as read back."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any, Protocol

from pyiceberg import expressions
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table

from include.errors import BranchError
from include.ingestion.ledger_collection import collection_problems
from include.ingestion.ledger_entries import Entry, newest_first
from include.ingestion.outcomes import MERGED, MOVE, WINDOW, Outcomes
from include.ingestion.stage import Stage, StagedRead
from include.nightscout.windows import Collection
from include.schemas import COLLECTION_TABLE

_OUTCOMES = "ingest_outcomes"
_equal: Callable[..., BooleanExpression] = expressions.EqualTo  # its own signature confuses the type checker


class Tables(Protocol):
    """A version or branch, of which only raw tables are read."""

    @property
    def name(self) -> str: ...

    def table(self, name: str) -> Table: ...


def check_ledger(stage: Stage, branch: Tables, base: Tables | None, lease_number: int) -> list[str]:
    """All that is wrong with what the run holding this lease merged into the branch, a sentence each.

    Documents are counted anew in the stage, in raw and in quarantine: the outcomes are what is checked.
    `base` is the version the branch was opened from, None on an empty lake. Raises StageError when staged
    files are damaged.
    """
    before, after = _outcomes(base), _outcomes(branch)
    known = before.merged_reads()
    reads = {read.read_id: read for read in stage.reads(skip=known)}
    problems = list(_forgotten(reads.values(), branch.name, before, after))
    entries = []
    for outcome in _merged_by(branch, lease_number, known):
        read = reads.get(outcome["read_id"])
        if read is None:
            problems.append(f"{outcome['read_id']} was merged, but is not in the stage")
        else:
            entries.append(Entry(stage, outcome, read, is_own=read.branch == branch.name))
    for entry in entries:
        problems += entry.problems()
    problems += _quarantine_problems(entries, branch)
    for (_, collection), concerned in sorted(_by_place(newest_first(entries)).items()):
        name = COLLECTION_TABLE[collection]
        problems += collection_problems(concerned, _table(base, name), branch.table(name))
    return problems


def _table(tables: Tables | None, name: str) -> Table | None:
    if tables is None:
        return None
    try:
        return tables.table(name)
    except BranchError:  # a version from before the first run that loaded anything
        return None


def _outcomes(tables: Tables | None) -> Outcomes:
    table = _table(tables, _OUTCOMES)
    return Outcomes.empty() if table is None else Outcomes.read(table)


def _merged_by(branch: Tables, lease_number: int, known: Set[str]) -> list[dict[str, Any]]:
    """What the run merged. On a new Postgres leases count from 1 again: `known` are reads of earlier runs."""
    table = _table(branch, _OUTCOMES)
    if table is None or table.current_snapshot() is None:
        return []
    rows = table.scan(_equal("lease_number", lease_number)).to_arrow().to_pylist()
    merged = (row for row in rows if row["status"] == MERGED and row["kind"] != MOVE)
    return [row for row in merged if row["read_id"] not in known]


def _forgotten(reads: Iterable[StagedRead], branch: str, before: Outcomes, after: Outcomes) -> Iterator[str]:
    """Reads that had an outcome and lost it, and windows of this run that never got one."""
    for read_id in sorted(before.merged_reads() - after.merged_reads()):
        yield f"{read_id} was merged before this run, and its outcome is gone"
    known = set(after.rows["read_id"])
    for read in reads:
        if read.branch == branch and read.kind == WINDOW and read.read_id not in known:
            yield f"{read.read_id} was read by this run, and has no outcome"


def _quarantine_problems(entries: Iterable[Entry], branch: Tables) -> Iterator[str]:
    refusing = [entry for entry in entries if entry.claimed("quarantined")]
    if not refusing:
        return
    table = branch.table("quarantine")
    columns = ("site_id", "collection", "payload_hash")
    kept = {
        tuple(row.values())
        for row in table.scan(selected_fields=columns).to_arrow().select(columns).to_pylist()
    }
    for entry in refusing:
        lost = [each for each in entry.quarantined() if (*entry.place, each) not in kept]
        if lost:
            yield f"{entry}: {len(lost)} documents were quarantined, but are not in raw.quarantine"


def _by_place(entries: Iterable[Entry]) -> dict[tuple[str, Collection], list[Entry]]:
    places: dict[tuple[str, Collection], list[Entry]] = defaultdict(list)
    for entry in entries:
        places[entry.place].append(entry)
    return places
