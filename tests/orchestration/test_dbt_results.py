"""What a build did, from a real `dbt build` of a small project, and from what is left when it dies."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from include.orchestration.dbt_results import Result, read_results
from include.run.transform import RESULTS, prepare_target

PROJECT_YML = """
name: small
profile: small
version: "1.0"
flags: {send_anonymous_usage_stats: false}
"""
PROFILES_YML = """
small:
  target: here
  outputs: {here: {type: duckdb, path: ":memory:", threads: 1}}
"""
MODELS = {
    "good.sql": "select 1 as id",
    "doubtful.sql": "select null as id",
    "broken.sql": "select no_such_column from {{ ref('good') }}",
    "after_broken.sql": "select * from {{ ref('broken') }}",
    "models.yml": """
models:
  - name: good
    columns: [{name: id, data_tests: [unique, not_null]}]
  - name: doubtful
    columns:
      - name: id
        data_tests:
          - not_null: {config: {severity: warn}}
          - accepted_values: {arguments: {values: [1]}}
          - relationships: {arguments: {to: ref('good'), field: id}}
exposures:
  - {name: dashboard, type: dashboard, owner: {name: somebody}, depends_on: [ref('good')]}
unit_tests:
  - name: one_is_one
    model: good
    given: []
    expect: {rows: [{id: 1}]}
""",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The target folder of a build in which something failed."""
    project = tmp_path_factory.mktemp("small")
    (project / "models").mkdir()
    (project / "dbt_project.yml").write_text(PROJECT_YML)
    (project / "profiles.yml").write_text(PROFILES_YML)
    for name, text in MODELS.items():
        (project / "models" / name).write_text(text)
    # Another process: dbt never closes its log, and takes much from the environment.
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "dbt.cli.main",
            "--quiet",
            "build",
            "--project-dir",
            ".",
            "--profiles-dir",
            ".",
        ],
        cwd=project,
        env={name: value for name, value in os.environ.items() if not name.startswith("DBT_")},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 1
    return project / "target"


def read(target: Path) -> dict[str, list[Result]]:
    return read_results(target / RESULTS, target / "manifest.json")


def statuses(results: dict[str, list[dict[str, Any]]], model: str) -> dict[str, str]:
    return {row["name"]: row["status"] for row in results[f"model.small.{model}"]}


def test_each_model_has_its_result_and_those_of_its_tests(built: Path) -> None:
    results = read(built)
    assert statuses(results, "good") == {
        "good": "success",
        "unique_good_id": "pass",
        "not_null_good_id": "pass",
        "one_is_one": "pass",
    }
    assert statuses(results, "broken") == {"broken": "error"}
    assert statuses(results, "after_broken") == {"after_broken": "skipped"}
    doubtful = statuses(results, "doubtful")
    assert (doubtful["doubtful"], doubtful["not_null_doubtful_id"]) == ("success", "warn")
    assert sorted(doubtful.values()).count("pass") == 2


def test_messages_are_kept_where_something_is_wrong(built: Path) -> None:
    rows = {row["name"]: row for row in read(built)["model.small.broken"]}
    assert "no_such_column" in rows["broken"]["message"]
    assert all(row["message"] is None for row in read(built)["model.small.good"])


def test_a_build_that_died_left_no_results(tmp_path: Path) -> None:
    assert read(tmp_path) == {}


def test_the_results_of_an_earlier_build_are_forgotten(tmp_path: Path) -> None:
    target = tmp_path / "build"
    prepare_target(target)
    (target / RESULTS).write_text(json.dumps({"results": []}))
    prepare_target(target)
    assert read(target) == {}


def test_what_dbt_knows_from_parsing_comes_along_until_the_build_knows_more(tmp_path: Path) -> None:
    parsed, built = tmp_path / "partial_parse.msgpack", tmp_path / "build" / "partial_parse.msgpack"
    parsed.write_text("parsed")
    prepare_target(built.parent)
    assert built.read_text() == "parsed"

    built.write_text("built")
    os.utime(built, (2_000_000_000, 2_000_000_000))
    prepare_target(built.parent)
    assert built.read_text() == "built"

    parsed.write_text("parsed again")
    os.utime(parsed, (2_000_000_001, 2_000_000_001))
    prepare_target(built.parent)
    assert built.read_text() == "parsed again"
