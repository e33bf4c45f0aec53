"""Which failures are tried again: one row for every error of the project."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowTaskTimeout

from include import errors
from include.orchestration.retries import POLICY, RULES, is_final

FAIL, RETRY, DEFAULT = RetryAction.FAIL, RetryAction.RETRY, RetryAction.DEFAULT
EXPECTED = {
    errors.LakehouseError: DEFAULT,
    errors.SettingsError: FAIL,
    errors.InputError: FAIL,
    errors.SourceError: DEFAULT,
    errors.SourceRefusedError: FAIL,
    errors.SourceUnavailableError: RETRY,
    errors.SourceContractError: FAIL,
    errors.StageError: RETRY,
    errors.ContractError: FAIL,
    errors.SiteLeftOutError: FAIL,
    errors.LeaseLostError: FAIL,
    errors.BranchError: FAIL,
    errors.ConflictError: FAIL,
    errors.AuditError: FAIL,
    errors.PublishError: RETRY,
    errors.ReportError: FAIL,
    errors.TransformError: FAIL,
    errors.LakeFormatError: FAIL,
    errors.ServiceError: RETRY,
}


def context(*, watched: bool = False, try_number: int = 1, max_tries: int = 2) -> dict[str, Any]:
    return {
        "dag_run": SimpleNamespace(triggering_user_name="dag_test" if watched else None),
        "ti": SimpleNamespace(try_number=try_number, max_tries=max_tries),
    }


def subclasses(parent: type[Exception]) -> set[type[Exception]]:
    return {parent}.union(*(subclasses(child) for child in parent.__subclasses__()))


def test_every_error_of_the_project_was_thought_of() -> None:
    ours = {found for found in subclasses(errors.LakehouseError) if found.__module__ == errors.__name__}
    assert ours == set(EXPECTED)


@pytest.mark.parametrize(("error", "action"), EXPECTED.items())
def test_each_error_has_its_rule(error: type[Exception], action: RetryAction) -> None:
    assert POLICY.evaluate(error("said"), 1, 2, context()).action is action  # type: ignore[arg-type]


def test_every_rule_has_a_reason_of_its_own() -> None:
    reasons = [rule.reason for rule in RULES]
    assert all(reasons)
    assert len(set(reasons)) == len(reasons)


def test_unknown_errors_are_tried_again_as_airflow_does() -> None:
    assert POLICY.evaluate(KeyError("bug"), 1, 2, context()).action is DEFAULT  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error", [errors.SourceUnavailableError("503"), KeyError("bug"), AirflowTaskTimeout("1 h")]
)
def test_dags_test_never_waits_for_another_try(error: BaseException) -> None:
    assert POLICY.evaluate(error, 1, 2, context(watched=True)).action is FAIL  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "given", "final"),
    [
        (errors.SourceUnavailableError("503"), context(try_number=1), False),
        (errors.SourceUnavailableError("503"), context(try_number=2), False),
        (errors.SourceUnavailableError("503"), context(try_number=3), True),
        (errors.SourceRefusedError("401"), context(try_number=1), True),
        (AirflowTaskTimeout("1 h"), context(try_number=1), False),
        (AirflowTaskTimeout("1 h"), context(try_number=3), True),
        (errors.SourceUnavailableError("503"), context(watched=True), True),
    ],
)
def test_which_failure_is_the_last(error: BaseException, given: dict[str, Any], final: bool) -> None:
    assert is_final(error, given) is final
