"""How a run ended, told from what its steps returned."""

from collections.abc import Iterable, Mapping
from typing import Any

from include.errors import LakehouseError, SiteLeftOutError
from include.nightscout.authentication import Authentication
from include.nightscout.connections import Credentials
from include.run.counts import document_counts
from include.run.verdict import judge, left_out_sites
from include.serving.runs import FAILED, LEFT_OUT, SUCCEEDED, Ending

VERDICT = "verdict"
JUDGED = ("received", "accepted", "quarantined")


def ending_of(results: Mapping[str, Any], secrets: Iterable[Credentials] = ()) -> Ending:
    """The ending of a run, by the results of its steps (None of those that were not reached).

    Its reason is that of the verdict, in which `secrets` are masked. What was received, accepted and
    quarantined is what validation counted: documents of sites that were left out are among it.
    """
    staged, merged = results["staged"] or (), results["merged"]
    outcome, reason = _judged(results)
    for credentials in secrets:
        reason = Authentication(credentials).mask(reason) if reason else reason
    judged = {name: results["validated"][name] for name in JUDGED} if results["validated"] else {}
    return Ending(
        outcome,
        reason,
        left_out=tuple(sorted(left_out_sites(staged, merged))),
        version=(results["promoted"] or {}).get("version"),
        published=(results["published"] or {}).get("published", False),
        counts=(document_counts(merged) if merged else {}) | judged,
        warnings=tuple((results["audited"] or {}).get("warnings", ())),
    )


def _judged(results: Mapping[str, Any]) -> tuple[str, str | None]:
    failures = results["failures"]
    # A verdict fails by repeating the others' reasons; only when there is none it has one of its own.
    others = {task: reason for task, reason in failures.items() if task != VERDICT}
    for given in (others, failures):
        try:
            judge(results["staged"] or (), results["merged"], given)
        except SiteLeftOutError as error:
            return LEFT_OUT, str(error)
        except LakehouseError as error:
            return FAILED, str(error)
    return SUCCEEDED, None
