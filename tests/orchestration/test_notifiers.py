"""One JSON line for whatever ended."""

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from include.errors import SourceRefusedError
from include.orchestration.notifiers import FAILURE, LogLine

SECRET = {"token": "s3cret"}


class TaskInstance(SimpleNamespace):
    """What the notifier uses of a task instance; keeps what it is given."""

    def xcom_push(self, *, key: str, value: object) -> None:
        self.pushed = (key, value)


def context(error: BaseException | None = None) -> dict[str, Any]:
    return {
        "dag": SimpleNamespace(dag_id="nightscout_glucose"),
        "dag_run": SimpleNamespace(dag_id="nightscout_glucose", run_id="scheduled__1", conf=SECRET),
        "ti": TaskInstance(task_id="stage", map_index=3, try_number=2, pushed=None),
        "params": SECRET,
        "exception": error,
    }


def test_a_failed_task_is_one_line_and_leaves_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    given = context(SourceRefusedError("site home refused\n  the token"))
    with caplog.at_level(logging.INFO, "nightscout"):
        LogLine("task_failed")(given)
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "\n" not in record.message
    assert json.loads(record.message) == {
        "event": "task_failed",
        "dag": "nightscout_glucose",
        "run": "scheduled__1",
        "task": "stage",
        "map_index": 3,
        "try": 2,
        "reason": "site home refused the token",
    }
    assert given["ti"].pushed == (FAILURE, "site home refused the token")


def test_a_run_that_ended_well_names_no_task(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "nightscout"):
        LogLine("run_succeeded")(context() | {"reason": "success"})
    (record,) = caplog.records
    line = json.loads(record.message)
    assert record.levelname == "INFO"
    assert [line[key] for key in ("event", "task", "try", "reason")] == [
        "run_succeeded",
        None,
        None,
        "success",
    ]


def test_an_error_without_words_is_named_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    LogLine("task_failed")(context(KeyError()))
    assert json.loads(caplog.records[0].message)["reason"] == "KeyError"


def test_what_the_run_was_given_is_never_in_the_line(caplog: pytest.LogCaptureFixture) -> None:
    LogLine("task_failed")(context(ValueError("x" * 10_000)))
    assert "s3cret" not in caplog.records[0].message
    assert len(caplog.records[0].message) < 3000
