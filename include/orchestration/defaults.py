"""What every Dag of the project has in common."""

from datetime import timedelta
from typing import Any

from include.orchestration.notifiers import LogLine
from include.orchestration.retries import POLICY, RETRIES

OWNER = "glucose-data"

GROUP, BUILD = "dbt", "build"  # the task group of all models, and in it the task that builds them

DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": RETRIES,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": POLICY,
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": LogLine("task_failed"),
    "on_retry_callback": LogLine("task_failed_will_retry"),
}
