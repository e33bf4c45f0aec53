"""### Glucose, hour by hour

Copies entries, treatments and profiles of every configured Nightscout site into the lakehouse, rebuilds all
tables on a branch of the run's own, and shows them to readers at once, or not at all.

**Partitions** are calendar days (`2024-10-15`), read in each site's own time zone. Hourly ticks refresh the
open day and look back `LOOKBACK_DAYS`; missed days catch up, one run each; a backfill makes one run a day. A
range in the form (`start`, `end`) is one run: the way to load years.

**When it fails**, main and the published tables are as they were, and the task `verdict` names the site or
the task, and the reason; the table `ops.runs` in Postgres keeps it (`lakehouse status`).

- A site that could not be read, or is over a limit, keeps its last data; the others went on. The next run
  reads what is missing up to `HEAL_DAYS` back; older days are loaded again as a range, which the reason and
  `lakehouse status` name. To accept what was refused, trigger a run whose form raises that limit.
- `dbt.build` names the model or test. After a fix clear the whole run, or wait for the next one.
- "clear the whole run" means it: another run wrote meanwhile, and clearing single tasks cannot help.

Reads Nightscout. Writes `raw`, bronze to marts, the schema `marts` in Postgres, and a report of each site
(menu: Glucose reports). Updates the assets
`nightscout_raw` and `nightscout_marts`.
"""

from datetime import UTC, datetime, timedelta
from functools import partial

from airflow.sdk import TriggerRule, dag, task

from include.orchestration import tasks
from include.orchestration.dbt_group import dbt_group
from include.orchestration.defaults import BUILD, DEFAULT_ARGS
from include.orchestration.events import MARTS, RAW
from include.orchestration.form import FORM
from include.orchestration.lease_owner import TAKE_LEASE
from include.orchestration.notifiers import LogLine
from include.orchestration.pools import API_POOL, LEASE_POOL
from include.orchestration.timetable import DailyPartitionTimetable
from include.settings import load_settings

SETTINGS = load_settings()
WINDOW = "{% set w = task.op_kwargs['window'] %}{{ w.site_id }} {{ w.collection }} {{ w.start }}..{{ w.end }}"

# A result is one XCom; by default Airflow would push each key of a dict as one more.
step = partial(task, multiple_outputs=False)
plan = step()(tasks.plan)
open_branch = step()(tasks.open_branch)
stage = step(pool=API_POOL, map_index_template=WINDOW, doc_md=tasks.stage.__doc__)(tasks.stage)
validate = step()(tasks.validate)
merge = step(outlets=[RAW])(tasks.merge)
audit = step()(tasks.audit)
promote = step()(tasks.promote)
publish = step(outlets=[MARTS], trigger_rule=TriggerRule.ALL_DONE)(tasks.publish)
report = step(trigger_rule=TriggerRule.NONE_FAILED)(tasks.report)
verdict = step(trigger_rule=TriggerRule.ALL_DONE, retries=0)(tasks.verdict)
close_run = step()(tasks.close_run)


@dag(
    schedule=DailyPartitionTimetable("5 * * * *", timezone="UTC", catchup_days=SETTINGS.catchup_days),
    start_date=datetime(1970, 1, 1, tzinfo=UTC),  # `dags test` of an older day would run nothing, and succeed
    catchup=True,  # the timetable bounds it
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    params=FORM,
    default_args=DEFAULT_ARGS,
    on_success_callback=LogLine("run_succeeded"),
    on_failure_callback=LogLine("run_failed"),
    doc_md=__doc__,
    tags=["nightscout", "glucose", "hourly"],
)
def nightscout_glucose() -> None:
    turn = tasks.TakeLease(task_id=TAKE_LEASE, pool=LEASE_POOL, doc_md=tasks.TakeLease.__doc__)
    windows = plan(turn.output)
    planned = windows["plan"]
    branch = open_branch(turn.output, planned)
    staged = stage.partial(branch=branch).expand(window=windows)
    validated = validate(branch, staged)
    merged = merge(branch, staged, planned)
    models = dbt_group(SETTINGS, branch_task="open_branch")
    audited = audit(branch)
    promoted = promote(branch, audited, planned)
    published = publish(staged, merged, promoted)
    judged = verdict(staged, merged)

    validated >> merged >> models >> audited
    models.get_child_by_label(BUILD) >> audited  # what failed in it may belong to no model
    closed = close_run(turn.output, staged, validated, merged, audited, promoted, published)
    promoted >> published >> report() >> judged >> closed.as_teardown(setups=turn)


nightscout_glucose()
