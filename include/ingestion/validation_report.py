"""What came of judging everything that is to be merged, in numbers, and what could not be judged."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Any

from include.errors import StageError
from include.ingestion.stage import Stage
from include.ingestion.validate import Validation, validate


def validate_reads(stage: Stage, sites: Container[str], *, merged: Container[str]) -> dict[str, Any]:
    """Judge every document of every read of these sites, left-overs of failed runs too; JSON-safe.

    Reads in `merged` were judged before. `damaged` holds a sentence for each read that cannot be judged, by
    site: merge leaves that site out. Reads of other sites wait in the stage until these are configured.
    """
    judged: list[Validation] = []
    damaged: dict[str, list[str]] = {}
    for broken in stage.damaged(skip=merged):
        if broken.site_id in sites:
            damaged.setdefault(broken.site_id, []).append(broken.reason)
    for read in stage.reads(skip=merged):
        if read.window.site_id in sites:
            try:
                judged.append(validate(stage, read))
            except StageError as error:
                damaged.setdefault(read.window.site_id, []).append(str(error))
    return {
        "reads": len(judged),
        "received": sum(of.document_count for of in judged),
        "accepted": sum(of.accepted_count for of in judged),
        "quarantined": sum(of.quarantined_count for of in judged),
        "reasons": _summed(of.reasons for of in judged),
        "warnings": _summed(of.warnings for of in judged),
        "damaged": damaged,
    }


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for of in counts:
        total.update(of)
    return dict(total)
