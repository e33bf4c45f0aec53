"""Which failures are worth another try, and why."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.definitions.retry_policy import RetryDecision

from include.errors import (
    AuditError,
    BranchError,
    ConflictError,
    ContractError,
    InputError,
    LakeFormatError,
    LeaseLostError,
    PublishError,
    ReportError,
    ServiceError,
    SettingsError,
    SiteLeftOutError,
    SourceContractError,
    SourceRefusedError,
    SourceUnavailableError,
    StageError,
    TransformError,
)
from include.orchestration.lease_owner import runs_in_process

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

RETRIES = 2
FAIL, RETRY = RetryAction.FAIL, RetryAction.RETRY

# The first rule that matches decides, so a class stands before its parent. Anything else (a bug, a network
# error that no code of ours translated) is tried again with exponential backoff.
RULES = [
    RetryRule(SettingsError, FAIL, reason="a wrong setting stays wrong until a person changes it"),
    RetryRule(InputError, FAIL, reason="what a person typed does not change by itself"),
    RetryRule(
        SourceRefusedError, FAIL, reason="the site refuses our credentials; asking again only makes it slower"
    ),
    RetryRule(SourceContractError, FAIL, reason="whatever answers there is not Nightscout"),
    RetryRule(
        SourceUnavailableError,
        RETRY,
        timedelta(minutes=1),
        reason="sites restart and mobile uploaders reconnect",
    ),
    RetryRule(
        StageError,
        RETRY,
        timedelta(seconds=5),
        reason="writing an answer may succeed next time; a damaged one stays until a person removes it",
    ),
    RetryRule(ContractError, FAIL, reason="the same table breaks the same contract again"),
    RetryRule(SiteLeftOutError, FAIL, reason="the same answer is over the same limit again"),
    RetryRule(
        LeaseLostError, FAIL, reason="another run writes now; only a cleared run takes the lease again"
    ),
    RetryRule(
        ConflictError, FAIL, reason="main moved, so the branch has to be built anew: clear the whole run"
    ),
    RetryRule(BranchError, FAIL, reason="only a cleared run opens its branch again"),
    RetryRule(TransformError, FAIL, reason="the same models on the same branch fail again"),
    RetryRule(AuditError, FAIL, reason="the branch is wrong and stays wrong; main is as it was"),
    RetryRule(LakeFormatError, FAIL, reason="an older program cannot learn a newer format"),
    RetryRule(
        PublishError,
        RETRY,
        timedelta(seconds=30),
        reason="readers keep the last publication; Postgres may be back",
    ),
    RetryRule(ReportError, FAIL, reason="the same numbers are drawn in the same way again"),
    RetryRule(ServiceError, RETRY, timedelta(seconds=30), reason="services come back, disks get space"),
]


class RetryUnlessWatched(ExceptionRetryPolicy):
    """The rules above; but `airflow dags test` never waits for another try: somebody sits before it."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: "Context | None" = None
    ) -> RetryDecision:
        """Fail, or try again and when; with the reason, which Airflow logs."""
        decision = super().evaluate(exception, try_number, max_tries, context)
        if context is None or decision.action is FAIL or not runs_in_process(context):
            return decision
        return RetryDecision.fail("whoever started `airflow dags test` can start it again")


POLICY = RetryUnlessWatched(RULES)


def is_final(error: BaseException, context: Mapping[str, Any]) -> bool:
    """Whether the task is not tried again after this error."""
    task_instance: Any = context["ti"]
    tries = task_instance.try_number, task_instance.max_tries
    return tries[0] > tries[1] or POLICY.evaluate(error, *tries, cast("Context", context)).action is FAIL
