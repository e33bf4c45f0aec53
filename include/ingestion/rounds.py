"""Which reads of a site are merged together: all, or those of a long range one part after the other."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from include.errors import SiteLeftOutError
from include.ingestion.merge_report import MergeReport
from include.ingestion.staged_read import StagedRead
from include.lakehouse import Branch

MOST_DOCUMENTS = 100_000  # of the reads merged together; about a year of one site


class PartlyMergedError(SiteLeftOutError):
    """Sites have to be left out after a part of them was written: the branch is to be opened again."""

    def __init__(self, left_out: Mapping[str, str]) -> None:
        """`left_out`: the reason by site."""
        super().__init__("; ".join(left_out.values()))
        self.left_out = left_out


def merged_whole(
    merge: Callable[[Branch, Mapping[str, str]], MergeReport], branch: Branch, reopen: Callable[[], Branch]
) -> tuple[Branch, MergeReport]:
    """Merge into the branch; gives it as it is in the end.

    `merge` is told which sites to leave out, and why. Those that have to be left out late are left out from
    the start, on the branch opened again.
    """
    left_out: dict[str, str] = {}
    while True:
        try:
            return branch, merge(branch, left_out)
        except PartlyMergedError as error:
            left_out |= error.left_out
            branch = reopen()


def rounds_of(reads: Sequence[StagedRead], branch: str) -> list[list[StagedRead]]:
    """The reads in the order of their fetch, in parts that bound the memory of a merge; at least one part.

    Left-overs of other runs, and windows that overlap, are merged all together: whether one of them is
    believed depends on the others.
    """
    if any(read.branch != branch for read in reads) or _overlap(reads):
        return [list(reads)]
    rounds: list[list[StagedRead]] = [[]]
    documents = 0
    for read in sorted(reads, key=lambda read: (read.fetched_at, read.read_id)):
        documents += read.document_count
        if rounds[-1] and documents > MOST_DOCUMENTS:
            rounds.append([])
            documents = read.document_count
        rounds[-1].append(read)
    return rounds


def _overlap(reads: Sequence[StagedRead]) -> bool:
    windows = sorted((read.window.collection, read.window.start, read.window.end) for read in reads)
    return any(one[0] == other[0] and other[1] < one[2] for one, other in pairwise(windows))
