"""The check of a run that dbt's own tests are: what one build found."""

import json
from collections import Counter
from pathlib import Path

from include.schemas.checks import MODEL_TESTS, CheckResult


def model_tests(results: Path) -> CheckResult:
    """How many of the models' tests failed, by the results that `dbt build` left.

    Not measured when none failed and some were left out, as those of a model that could not be made.
    """
    if not results.exists():
        return CheckResult(MODEL_TESTS, about="dbt ended before it tested anything")
    all_results = json.loads(results.read_bytes())["results"]
    tests = [result for result in all_results if result["unique_id"].startswith("test.")]
    number = Counter(result["status"] for result in tests)
    failed = [_name(result["unique_id"]) for result in tests if result["status"] in ("fail", "error")]
    if failed:
        return CheckResult(MODEL_TESTS, None, float(len(failed)), False, ", ".join(sorted(failed)))
    if number["skipped"] or not tests:
        return CheckResult(MODEL_TESTS, about=f"{number['pass']} passed, {number['skipped']} were left out")
    return CheckResult(MODEL_TESTS, None, 0.0, True, f"{number['pass']} passed")


def _name(unique_id: str) -> str:
    """The name in dbt's id of a test: `test.project.name`, and a hash after it unless it is a file."""
    return unique_id.split(".")[2]
