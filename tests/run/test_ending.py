"""How a run ended, as `ops.runs` says it."""

from typing import Any

import pytest

from include.nightscout.connections import Credentials
from include.run.ending import ending_of
from include.serving.runs import FAILED, LEFT_OUT, SUCCEEDED, Ending

TOKEN = "reader-0123456789abcdef"
STAGED = [{"site_id": "a"}, {"site_id": "b"}]
ROW = {
    "received": 4,
    "accepted": 4,
    "quarantined": 0,
    "inserted": 3,
    "updated": 1,
    "tombstoned": 2,
    "retired": 1,
}
RESULTS: dict[str, Any] = {
    "staged": STAGED,
    "validated": {"received": 6, "accepted": 5, "quarantined": 1},
    "merged": {"counts": {"a": {"entries": ROW}, "b": {"entries": ROW}}, "left_out": {}},
    "audited": {"head": "h", "warnings": ["one late"]},
    "promoted": {"version": "run-1"},
    "published": {"published": True, "version": "run-1"},
    "failures": {},
}
COUNTS = {"received": 6, "accepted": 5, "quarantined": 1, "inserted": 6, "updated": 2, "deleted": 6}


def test_all_went_well() -> None:
    assert ending_of(RESULTS) == Ending(
        SUCCEEDED, version="run-1", published=True, counts=COUNTS, warnings=("one late",)
    )


def test_a_site_was_left_out() -> None:
    staged = [*STAGED, {"site_id": "c", "collection": "entries", "failed": "it answers 401"}]
    merged = RESULTS["merged"] | {"left_out": {"b": "30 % quarantined"}}
    ending = ending_of(RESULTS | {"staged": staged, "merged": merged})
    assert (ending.outcome, ending.left_out, ending.version) == (LEFT_OUT, ("b", "c"), "run-1")
    assert str(ending.reason).startswith("site b: 30 % quarantined; site c: it answers 401")


def test_a_task_failed_and_later_ones_never_ran() -> None:
    nothing = dict.fromkeys(("staged", "validated", "merged", "audited", "promoted", "published"))
    ending = ending_of(nothing | {"failures": {"plan": "it lies in the future"}})
    assert ending == Ending(FAILED, reason="plan: it lies in the future")


def test_a_verdict_that_failed_by_itself_is_told() -> None:
    failed = {"verdict": "it took too long"}
    ending = ending_of(RESULTS | {"failures": failed})
    assert (ending.outcome, ending.reason) == (FAILED, "verdict: it took too long")


def test_a_verdict_that_named_the_reasons_adds_none() -> None:
    failures = {"audit": "the ledger is wrong", "verdict": "audit: the ledger is wrong"}
    assert ending_of(RESULTS | {"failures": failures}).reason == "audit: the ledger is wrong"


@pytest.mark.parametrize("form", [TOKEN, TOKEN.upper()])
def test_no_secret_is_recorded(form: str) -> None:
    ending = ending_of(
        RESULTS | {"failures": {"stage": f"GET /?token={form} failed"}}, [Credentials(token=TOKEN)]
    )
    assert ending.reason == "stage: GET /?token=*** failed"
