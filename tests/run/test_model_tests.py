"""What dbt's own tests found, as a check of the run."""

import json
from pathlib import Path

import pytest

from include.errors import TransformError
from include.run.model_tests import model_tests
from include.run.pipeline import Pipeline
from include.run.transform import ensure_manifest
from include.schemas.checks import MODEL_TESTS, CheckResult
from include.serving.check_results import last_checks
from tests.run.steps import day, until_staged


def test_a_repeated_row_is_found_and_kept_as_a_result(pipeline: Pipeline) -> None:
    ensure_manifest(pipeline.settings)
    _, branch, staged = until_staged(pipeline, day("2024-10-15"), "run")
    pipeline.merge(branch, staged)
    work = pipeline.lakehouse.branch(branch["branch"])
    entries = work.table("glucose_entries")
    entries.append(entries.scan(limit=1).to_arrow())
    work.refresh_views()
    with pytest.raises(TransformError, match="stg_glucose_entries_rows_are_sound"):
        pipeline.build(branch)

    (row,) = last_checks(pipeline.postgres)
    assert (row["check_name"], row["severity"], row["outcome"]) == ("model_tests", "error", "failed")
    assert (row["site_id"], row["run_id"], row["version"]) == ("", "run", branch["branch"])
    assert row["measured"] >= 1
    assert "stg_glucose_entries_rows_are_sound" in row["about"]


def results_of(folder: Path, **statuses: str) -> Path:
    path = folder / "run_results.json"
    nodes = {f"test.lake.{name}.0a1b2c": status for name, status in statuses.items()}
    nodes["model.lake.stg_entries"] = "error"  # no test
    results = [{"unique_id": node, "status": status} for node, status in nodes.items()]
    path.write_text(json.dumps({"results": results}))
    return path


@pytest.mark.parametrize(
    ("statuses", "measured", "is_met", "about"),
    [
        ({"a": "pass", "b": "pass"}, 0.0, True, "2 passed"),
        ({"b": "fail", "a": "error", "c": "pass", "d": "skipped"}, 2.0, False, "a, b"),
        ({"a": "pass", "b": "skipped"}, None, None, "1 passed, 1 were left out"),
        ({}, None, None, "0 passed, 0 were left out"),
    ],
)
def test_tests_are_counted(
    tmp_path: Path, statuses: dict[str, str], measured: float | None, is_met: bool | None, about: str
) -> None:
    found = model_tests(results_of(tmp_path, **statuses))
    assert found == CheckResult(MODEL_TESTS, None, measured, is_met, about)


def test_a_build_that_left_nothing_was_not_measured(tmp_path: Path) -> None:
    assert model_tests(tmp_path / "run_results.json").outcome == "not_measured"
