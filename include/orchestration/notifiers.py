"""What is told about runs and tasks that ended: one JSON line each, for people and for log collectors."""

import json
import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

log = logging.getLogger("nightscout")

FAILURE = "failure"  # XCom key under which a failed task leaves its reason for the verdict
MAX_REASON_LENGTH = 2000


class LogLine(BaseNotifier):
    """Logs one JSON line: event, dag, run, task, map_index, try, reason.

    It takes nothing else from the context: no parameters, connections, or environment, hence no secrets. The
    reason is the message of the error, which our errors keep free of them.
    """

    def __init__(self, event: str) -> None:
        super().__init__()
        self.event = event

    def render_template_fields(self, context: "Context", jinja_env: Any = None) -> None:
        """Nothing here is a template; and in `dags test` a Dag's callback has no environment to render in."""

    def notify(self, context: "Context") -> None:
        """Write the line; a failed task also leaves its reason where the verdict finds it."""
        line = describe(self.event, context)
        level = logging.ERROR if "failed" in self.event else logging.INFO
        log.log(level, json.dumps(line, ensure_ascii=False))
        if self.event == "task_failed":
            context["ti"].xcom_push(key=FAILURE, value=line["reason"])


def describe(event: str, context: "Context") -> dict[str, Any]:
    """The facts of the line. Of a whole run the keys of a task are null."""
    run = context.get("dag_run")
    task_instance = None if event.startswith("run_") else context.get("ti")
    return {
        "event": event,
        "dag": getattr(run, "dag_id", None),
        "run": getattr(run, "run_id", None),
        "task": getattr(task_instance, "task_id", None),
        "map_index": getattr(task_instance, "map_index", None),
        "try": getattr(task_instance, "try_number", None),
        "reason": _reason(context),
    }


def _reason(context: "Context") -> str | None:
    error = context.get("exception") or context.get("reason")
    if error is None:
        return None
    text = str(error) or type(error).__name__
    return " ".join(text.split())[:MAX_REASON_LENGTH]
