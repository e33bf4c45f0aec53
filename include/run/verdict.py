"""The verdict on a run: did everything happen that it was started for?"""

from collections.abc import Mapping, Sequence
from typing import Any

from include.errors import LakehouseError, SiteLeftOutError
from include.ingestion.outcomes import left_out_by_name


def judge(
    staged: Sequence[Mapping[str, Any]], merged: Mapping[str, Any] | None, failures: Mapping[str, str]
) -> None:
    """Raise when a site was left out (SiteLeftOutError) or a task failed (LakehouseError), with the reasons.

    `staged` are the results of the stage step, `merged` that of the merge step if there was one,
    `failures` the reason by task of those that failed.
    """
    left_out = left_out_sites(staged, merged)
    if failures:
        reasons = "; ".join(f"{task}: {reason}" for task, reason in sorted(failures.items()))
        raise LakehouseError(f"{reasons}{_sites(left_out, '. Also, ')}")
    if left_out:
        raise SiteLeftOutError(_sites(left_out, ""))


def left_out_sites(staged: Sequence[Mapping[str, Any]], merged: Mapping[str, Any] | None) -> dict[str, str]:
    """The reason by site, or site and collection, of those that could not be read or were not merged."""
    failed = left_out_by_name(
        (result["site_id"], result["collection"], result["failed"])
        for result in reversed(staged)
        if "failed" in result
    )
    return {**failed, **(merged or {}).get("left_out", {})}


def _sites(left_out: Mapping[str, str], before: str) -> str:
    if not left_out:
        return ""
    reasons = "; ".join(f"site {site_id}: {reason}" for site_id, reason in sorted(left_out.items()))
    return f"{before}{reasons}. The last data of {'this site' if len(left_out) == 1 else 'these sites'} stays"
