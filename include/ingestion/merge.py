"""Merge staged reads into the raw tables of a branch: nothing lost, nothing twice."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import pyarrow as pa
from pyiceberg.expressions import BooleanExpression, EqualTo

from include.errors import BranchError
from include.ingestion.batch import batch_read, mean_glucose_mg_dl
from include.ingestion.collection_merge import Limits
from include.ingestion.deletions import OpenSource, OtherParts
from include.ingestion.merge_report import MergeReport, report_of
from include.ingestion.origins import refuse_demo_beside_real
from include.ingestion.outcome_rows import FailedRead, Row, failed_row, outcome_table
from include.ingestion.outcomes import MERGED, Outcomes
from include.ingestion.quarantine import Quarantine
from include.ingestion.raw_documents import RawDocuments
from include.ingestion.raw_rows import changed_rows
from include.ingestion.rounds import PartlyMergedError, rounds_of
from include.ingestion.site_merge import MergeRun, SiteMerge, is_answered_look_up, merge_site
from include.ingestion.site_rows import write_sites
from include.ingestion.stage import Stage, StagedRead
from include.lakehouse import Branch, merge_rows
from include.nightscout.sites import Site
from include.nightscout.windows import Collection
from include.schemas import COLLECTION_TABLE, RAW_TABLES

_OUTCOMES = "ingest_outcomes"
_WRITTEN_BEFORE_OUTCOMES = {*COLLECTION_TABLE.values(), "quarantine"}


def merge_reads(
    stage: Stage,
    branch: Branch,
    *,
    sites: Sequence[Site],
    open_source: OpenSource,
    limits: Limits,
    run_id: str,
    lease_number: int,
    failures: Sequence[FailedRead] = (),
    left_out: Mapping[str, str] | None = None,
) -> MergeReport:
    """Merge every staged read that no outcome covers yet, oldest fetch first, site by site.

    Reads whose branch is this one were fetched by this try of the run; others are left-overs. `failures`
    are windows of this run that could not be staged: their sites are left out, and so are sites of which a
    staged read is damaged, and those that `left_out` names with a reason. `open_source` gives the client of
    a site, for the deletion rule. Reads of sites that are not configured stay in the stage.

    A second try on the same branch writes nothing and gives the same report. Raises BranchError when
    one `was_interrupted` (open the branch again), PartlyMergedError when a site turns out to be left out
    after a part of it was written (the same, and name the site in `left_out`), SettingsError when the demo
    site meets real data.
    """
    outcomes = Outcomes.read(branch.table(_OUTCOMES))
    if _OUTCOMES in _written_tables(branch):
        return _report_again(stage, branch, sites, outcomes, lease_number)
    if was_interrupted(branch):
        raise BranchError(f"a merge into branch {branch.name} was interrupted: clear the whole run")
    refuse_demo_beside_real(sites, outcomes)

    def stored(site_id: str, collection: Collection) -> RawDocuments:
        return RawDocuments(branch.table(COLLECTION_TABLE[collection]), site_id, collection)

    run = MergeRun(stage, branch.name, run_id, lease_number, limits, open_source, stored)
    reads = stage.reads(skip=outcomes.merged_reads())
    damaged = _damaged(stage, sites, outcomes)
    write_sites(branch.table("sites"), [site for site in sites if site.problem is None])
    done = _Done(left_out=damaged | dict(left_out or {}))
    _merge_rounds(run, branch, sites, reads, outcomes, failures, done)
    rows = done.rows + _failed_rows(run, sites, failures)
    if rows:  # last of all: an outcome on the branch says that everything of its read is there
        _write(branch, _OUTCOMES, [outcome_table(rows)], run_id)
    return report_of(rows, damaged, mean_glucose_mg_dl(done.glucose))


@dataclass
class _Done:
    """What the rounds of a merge came to: outcomes, sums of glucose, and why which sites were left out."""

    left_out: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    glucose: list[tuple[float, int]] = field(default_factory=list)

    def take(self, merges: Sequence[SiteMerge], lease_number: int, *, is_first: bool) -> None:
        """Add a round that is about to be written. Raises PartlyMergedError."""
        left_out = {merge.site_id: merge.left_out for merge in merges if merge.left_out is not None}
        if not is_first and left_out.keys() - self.left_out.keys():
            raise PartlyMergedError(left_out)
        self.left_out = left_out | self.left_out
        for merge in merges:
            self.rows += merge.rows(lease_number)
            self.glucose += [one.brought.glucose for one in merge.merged_reads()]


def _damaged(stage: Stage, sites: Sequence[Site], outcomes: Outcomes) -> dict[str, str]:
    """Why a configured site is left out of which a manifest is damaged, by site."""
    found = stage.damaged(skip=outcomes.merged_reads())
    reasons = {site.site_id: [of.reason for of in found if of.site_id == site.site_id] for site in sites}
    return {site_id: "; ".join(of_site) for site_id, of_site in reasons.items() if of_site}


def _of_site(reads: Sequence[StagedRead], site: Site, branch: Branch) -> list[StagedRead]:
    return [
        read
        for read in reads
        if read.window.site_id == site.site_id and not is_answered_look_up(read, branch.name)
    ]


def _merge_rounds(
    run: MergeRun,
    branch: Branch,
    sites: Sequence[Site],
    reads: Sequence[StagedRead],
    outcomes: Outcomes,
    failures: Sequence[FailedRead],
    done: _Done,
) -> None:
    """Decide about a part of each site's reads and write it, then about the next."""
    rounds = {site.site_id: rounds_of(_of_site(reads, site, branch), branch.name) for site in sites}
    looked_up: dict[str, set[tuple[Collection, str]]] = {site.site_id: set() for site in sites}
    for turn in range(max(map(len, rounds.values()), default=0)):
        merges = []
        for site in sites:
            parts = rounds[site.site_id]
            if turn < len(parts):
                failed = [each for each in failures if each.window.site_id == site.site_id]
                left_out = done.left_out.get(site.site_id)
                others = OtherParts(list(chain.from_iterable(parts[turn + 1 :])), looked_up[site.site_id])
                merges.append(merge_site(run, site, parts[turn], outcomes, failed, left_out, others))
        done.take(merges, run.lease_number, is_first=turn == 0)
        _write_documents(run, branch, merges)
        _write_quarantine(run, branch, merges)


def was_interrupted(branch: Branch) -> bool:
    """Whether a merge wrote some tables of this branch and ended before it wrote the outcomes, its last."""
    written = _written_tables(branch)
    return _OUTCOMES not in written and bool(written & _WRITTEN_BEFORE_OUTCOMES)


def _written_tables(branch: Branch) -> set[str]:
    """Raw tables that hold a commit of this branch; one that was only created does not count."""
    return {name for name in branch.changed_tables() if branch.table(name).current_snapshot() is not None}


def _write_documents(run: MergeRun, branch: Branch, merges: Sequence[SiteMerge]) -> None:
    for collection, table in COLLECTION_TABLE.items():
        _write(branch, table, _changed(run, merges, Collection(collection)), run.run_id)


def _changed(run: MergeRun, merges: Sequence[SiteMerge], collection: Collection) -> Iterator[pa.Table]:
    for site_merge in merges:
        for merge in site_merge.collections:
            if merge.collection is collection:
                stored = run.open_stored(site_merge.site_id, collection)
                yield from changed_rows(merge, stored, run.stage, run.run_id)


def _write_quarantine(run: MergeRun, branch: Branch, merges: Sequence[SiteMerge]) -> None:
    quarantine = Quarantine(branch.table("quarantine"))
    for site_merge in merges:
        for merge in site_merge.collections:
            for merged in merge.reads:
                quarantine.take(run.stage, merged.one, run.run_id)
    _write(branch, "quarantine", quarantine.changes(), run.run_id)


def _failed_rows(run: MergeRun, sites: Sequence[Site], failures: Sequence[FailedRead]) -> list[Row]:
    origins = {site.site_id: site.origin for site in sites}
    return [
        failed_row(failed, origins[failed.window.site_id], run.run_id, run.branch, run.lease_number)
        for failed in failures
    ]


def _write(branch: Branch, name: str, batches: Iterable[pa.Table], run_id: str) -> None:
    first = next(iterator := iter(batches), None)
    if first is None:
        return
    raw = RAW_TABLES[name]
    merge_rows(
        branch.table(name),
        chain([first], iterator),
        key=raw.key,
        instant=raw.instant,
        bookkeeping=raw.bookkeeping,
        commit_id=run_id,
    )


def _report_again(
    stage: Stage, branch: Branch, sites: Sequence[Site], outcomes: Outcomes, lease_number: int
) -> MergeReport:
    """The report of a merge that was finished on this branch before."""
    of_lease: BooleanExpression = EqualTo(term="lease_number", value=lease_number)
    rows: list[Row] = branch.table(_OUTCOMES).scan(of_lease).to_arrow().to_pylist()
    merged = {row["read_id"] for row in rows if row["status"] == MERGED}
    reads = [read for read in stage.reads(skip=outcomes.merged_reads() - merged) if read.read_id in merged]
    mean = mean_glucose_mg_dl(batch_read(stage, read, branch.name).brought.glucose for read in reads)
    return report_of(rows, _damaged(stage, sites, outcomes), mean)
