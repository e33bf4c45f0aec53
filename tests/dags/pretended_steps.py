"""What steps that only pretend have in common, whichever Dag calls them."""

from typing import Any

from include.run.ending import ending_of
from include.run.verdict import judge
from include.serving.runs import Ending

LEASE = {"number": 1, "taken_at": "2024-10-16T00:00:00+00:00", "branch": "run-1"}


class PretendedSteps:
    """`calls` lists the steps that were called, `failing` names those that raise instead."""

    def __init__(self) -> None:
        self.failing: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.ending: Ending | None = None

    def verdict(
        self, staged: list[dict[str, Any]], merged: dict[str, Any] | None, failures: dict[str, str]
    ) -> None:
        self._call("verdict")
        judge(staged, merged, failures)

    def close_run(self, lease: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        self._call("close_run")
        assert lease == LEASE
        self.ending = ending_of(results)
        return {"released": True}

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise self.failing[name]
