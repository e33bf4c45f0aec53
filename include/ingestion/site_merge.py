"""One site's part of a merge: all of its collections, or, when it is left out, none."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from include.errors import SiteLeftOutError, SourceError, StageError
from include.ingestion.batch import BatchRead, batch_read, named
from include.ingestion.collection_merge import CollectionMerge, CollectionRules, Limits
from include.ingestion.deletions import Inquiry, OpenSource, OtherParts
from include.ingestion.origins import expected_origin, origin_problem
from include.ingestion.outcome_rows import FailedRead, Row, merged_row, unmerged_row
from include.ingestion.outcomes import LEFT_OUT, LOOK_UP, SET_ASIDE, Outcomes
from include.ingestion.raw_documents import RawDocuments
from include.ingestion.stage import Stage, StagedRead
from include.nightscout.sites import Site
from include.nightscout.windows import DAY_COLLECTIONS, Collection, Window

LEAVES_OUT = (SiteLeftOutError, SourceError, StageError)

OpenStored = Callable[[str, Collection], RawDocuments]


@dataclass(frozen=True)
class MergeRun:
    """What the merge of every site shares. `branch` is the name of the branch that is written."""

    stage: Stage
    branch: str
    run_id: str
    lease_number: int
    limits: Limits
    open_source: OpenSource
    open_stored: OpenStored


@dataclass
class SiteMerge:
    """What becomes of the staged reads of a site. `left_out` says why nothing of it is merged, if so;
    `left_out_collections` why only these are not: what the rest of the site says is whole without them."""

    site_id: str
    reads: Sequence[StagedRead]
    collections: list[CollectionMerge] = field(default_factory=list)
    of_other_origin: list[StagedRead] = field(default_factory=list)
    left_out: str | None = None
    left_out_collections: dict[Collection, str] = field(default_factory=dict)

    def merged_reads(self) -> Iterator[BatchRead]:
        """The reads that are merged."""
        for merge in self.collections:
            for merged in merge.reads:
                yield merged.one

    def rows(self, lease_number: int) -> Iterator[Row]:
        """The outcomes of all its reads."""
        if self.left_out is not None:
            for read in self.reads:
                yield unmerged_row(read, lease_number, LEFT_OUT, self.left_out)
            return
        for read in self.of_other_origin:
            message = f"it was read from {read.origin}, which the site id is not bound to"
            yield unmerged_row(read, lease_number, SET_ASIDE, message)
        for read in self.reads:
            if read.window.collection in self.left_out_collections and read not in self.of_other_origin:
                message = self.left_out_collections[read.window.collection]
                yield unmerged_row(read, lease_number, LEFT_OUT, message)
        for merge in self.collections:
            for one, reason in merge.set_aside:
                yield unmerged_row(one.read, lease_number, SET_ASIDE, f"{named(one.window)}: {reason}")
            for merged in merge.reads:
                yield merged_row(merged, lease_number, merge.unchecked.get(merged.one.read_id))


def merge_site(
    run: MergeRun,
    site: Site,
    reads: Sequence[StagedRead],
    outcomes: Outcomes,
    failures: Sequence[FailedRead],
    left_out: str | None,
    parts: OtherParts,
) -> SiteMerge:
    """Decide about all reads of one site, in memory. A site that cannot be merged is left out.

    `left_out` is a reason that is known before, if there is one.
    """
    result = SiteMerge(site.site_id, reads)
    problem = site.problem or origin_problem(site, outcomes) or _failure(failures) or left_out
    if problem is not None:
        result.left_out = problem
        return result
    origin = expected_origin(site, outcomes)
    result.of_other_origin = [read for read in reads if read.origin != origin]
    try:
        of_origin = [read for read in reads if read.origin == origin]
        _merge_collections(run, site, of_origin, outcomes, parts, result)
    except LEAVES_OUT as error:
        result.collections.clear()
        result.left_out = str(error)
    return result


def _merge_collections(
    run: MergeRun,
    site: Site,
    reads: Sequence[StagedRead],
    outcomes: Outcomes,
    parts: OtherParts,
    result: SiteMerge,
) -> None:
    """Decide about each collection. Raises what leaves the site out."""

    def load(read: StagedRead) -> BatchRead:
        return batch_read(run.stage, read, run.branch)

    def read_since(read: StagedRead) -> list[Window]:
        return outcomes.read_since(read.window, read.fetched_at)

    asked = Inquiry(run.stage, run.open_source, site.site_id, site.origin, run.run_id, run.branch, parts)
    with asked as inquiry:
        for collection in Collection:
            of_collection = [read for read in reads if read.window.collection is collection]
            if not of_collection:
                continue
            try:
                batch = [load(read) for read in of_collection]
                stored = run.open_stored(site.site_id, collection)
                rules = CollectionRules(collection, batch, stored, run.limits, inquiry, load, read_since)
                result.collections.append(rules.merge())
            except LEAVES_OUT as error:
                if collection in DAY_COLLECTIONS:
                    raise
                result.left_out_collections[collection] = str(error)


def _failure(failures: Sequence[FailedRead]) -> str | None:
    """Why the site is left out because of windows that could not be staged, if it is."""
    fatal = [failed for failed in failures if failed.window.collection in DAY_COLLECTIONS]
    return "; ".join(f"{named(failed.window)}: {failed.message}" for failed in fatal) or None


def is_answered_look_up(read: StagedRead, branch: str) -> bool:
    """Whether this is a look-up of an earlier try on this branch: it is used where it is asked for again."""
    return read.kind == LOOK_UP and read.branch == branch
