"""The steps of maintenance that no other run has: compaction of main, and left-over files."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from include.disk import usable_disk
from include.errors import AuditError, BranchError
from include.lakehouse import Branch, Reference
from include.lakehouse.compaction import changed_partitions, compact, small_files
from include.run.pipeline import Pipeline
from include.schemas import RAW_TABLES
from include.serving.lease import Lease

LOG_AGE = timedelta(days=30)
UNFINISHED_AGE = timedelta(days=1)  # longer than any read takes
SPILL_AGE = timedelta(days=1)  # longer than any query takes

Facts = dict[str, Any]


def compact_main(pipeline: Pipeline, lease: Facts) -> Facts | None:
    """A branch of main on which small files are one a partition; None, and no branch, when there are none.

    A second try opens the branch anew. The result is what `Pipeline.promote` takes, and `replaced_files`:
    their number by table.
    """
    held = Lease.from_dict(lease)
    pipeline.leases.renew(held)
    base = pipeline.lakehouse.main_version()
    names = _scattered(pipeline.lakehouse.at(base)) if base else []
    if not names:
        return None
    run_id = held.owner.run_id
    branch = pipeline.lakehouse.open_branch(lease["branch"], base, run_id=run_id)
    replaced = {name: compact(branch.table(name), commit_id=run_id) for name in names}
    branch.expire()
    branch.refresh_views()
    return {"branch": branch.name, "base": base, "lease": lease, "replaced_files": replaced}


def audit_compacted(pipeline: Pipeline, branch: Facts) -> Facts:
    """Prove that every raw table that changed on the branch holds main's rows, each as often.

    Raises AuditError naming every difference; main then stays as it was.
    """
    pipeline.leases.renew(Lease.from_dict(branch["lease"]))
    work = pipeline.lakehouse.branch(branch["branch"])
    head = work.head()  # before all else: what is written from now on was not audited
    base = pipeline.lakehouse.at(branch["base"])
    problems = [
        problem for name in sorted(work.changed_tables()) for problem in _differences(base, work, name)
    ]
    if problems:
        raise AuditError(f"branch {work.name} was not promoted, main is as it was: {'; '.join(problems)}")
    return {"head": head, "warnings": []}


def remove_left_overs(pipeline: Pipeline) -> Facts:
    """Remove old logs of `lakehouse run`, and what killed queries and reads left; gives their numbers.

    Raises ServiceError when a folder cannot be written, or the store of the stage is of no use.
    """
    home = pipeline.settings.lakehouse_home
    return {
        "unfinished_reads": pipeline.inbox.remove_unfinished(datetime.now(UTC) - UNFINISHED_AGE),
        "logs": _remove_older(home / "logs", "run-*.log", LOG_AGE),
        "spilled_files": _remove_older(home / "spill", "*", SPILL_AGE),
    }


def _scattered(main: Reference) -> list[str]:
    """The tables with small files."""
    names = []
    for name in RAW_TABLES:
        with suppress(BranchError):  # main is from before this table's contract
            if small_files(main.table(name)):
                names.append(name)
    return names


def _differences(base: Reference, work: Branch, name: str) -> list[str]:
    after = work.table(name)
    try:
        before = base.table(name)
    except BranchError:  # main is from before this table's contract, and the branch was made whole
        return [] if after.current_snapshot() is None else [f"raw.{name} was not there and holds rows"]
    if before.schema() != after.schema():
        return [f"raw.{name} has other columns than before"]
    return [f"raw.{name} has other rows in {part}" for part in changed_partitions(before, after)]


def _remove_older(folder: Path, pattern: str, age: timedelta) -> int:
    oldest = (datetime.now(UTC) - age).timestamp()
    with usable_disk(folder):
        found = [path for path in folder.glob(pattern) if path.is_file() and path.stat().st_mtime < oldest]
        for path in found:
            path.unlink(missing_ok=True)
    return len(found)
