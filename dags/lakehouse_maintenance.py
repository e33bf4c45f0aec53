"""### The lake, kept small

Once a week, and as often as a person starts it:

- Small files of one partition of `raw` become one, on a branch; the audit proves that main's rows are there,
  each as often; then the branch becomes main. With nothing to do there is no branch and no new version.
- Branches that were opened more than a day ago, versions that are not kept any more, staged answers older
  than `STAGE_RETENTION_DAYS` that main has, and on the profile `embedded` snapshots and files that nothing
  reaches are removed: `close_run`, as at the end of every other run.
- Logs of `lakehouse run` go after 30 days, files of killed queries and half-written reads after one.

On the profile `trino`, files in the S3 store are left to Nessie's own collector, which a person runs:
`docs/runbooks/nessie-garbage.md`. Iceberg's `expire_snapshots` and `remove_orphan_files` know one branch only
and would break the others: nothing here calls them there.

**When it fails**, main and the published tables are as they were; the task `verdict` names the task and the
reason. Nothing is urgent, the next run does it all. It waits for its turn like every run that writes.

Reads no site. Writes `raw` on the lake's main, by a branch, and the schema `marts` in Postgres when readers
do not see main yet; updates the asset `nightscout_marts` then.
"""

from datetime import UTC, datetime, timedelta
from functools import partial

from airflow.sdk import TriggerRule, dag, task

from include.orchestration import maintenance, tasks
from include.orchestration.defaults import DEFAULT_ARGS
from include.orchestration.events import MARTS
from include.orchestration.lease_owner import TAKE_LEASE
from include.orchestration.notifiers import LogLine
from include.orchestration.pools import LEASE_POOL

# A result is one XCom; by default Airflow would push each key of a dict as one more.
step = partial(task, multiple_outputs=False)
compact = step()(maintenance.compact)
audit = step()(maintenance.audit)
promote = step()(maintenance.promote)
remove_left_overs = step()(maintenance.remove_left_overs)
publish = step(outlets=[MARTS], trigger_rule=TriggerRule.ALL_DONE)(tasks.publish)
verdict = step(trigger_rule=TriggerRule.ALL_DONE, retries=0)(tasks.verdict)
close_run = step()(tasks.close_run)


@dag(
    schedule="30 3 * * 0",
    start_date=datetime(1970, 1, 1, tzinfo=UTC),
    catchup=False,  # a machine that was off makes up for one missed week, not for all
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args=DEFAULT_ARGS,
    on_success_callback=LogLine("run_succeeded"),
    on_failure_callback=LogLine("run_failed"),
    doc_md=__doc__,
    tags=["nightscout", "maintenance", "weekly"],
)
def lakehouse_maintenance() -> None:
    turn = tasks.TakeLease(task_id=TAKE_LEASE, pool=LEASE_POOL, doc_md=tasks.TakeLease.__doc__)
    branch = compact(turn.output)
    audited = audit(branch)
    promoted = promote(branch, audited)
    published = publish(None, None, None)
    judged = verdict(None, None)
    closed = close_run(turn.output, None, None, None, audited, promoted, published)
    turn >> remove_left_overs() >> judged
    promoted >> published >> judged >> closed.as_teardown(setups=turn)


lakehouse_maintenance()
