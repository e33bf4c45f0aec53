"""dbt by hand, on a branch that is never promoted."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from include.run.pipeline import Pipeline
from include.run.transform import prepare_target, run_dbt, target_of
from include.run.turn import turn


def dbt_on_scratch_branch(pipeline: Pipeline, arguments: Sequence[str], say: Callable[[str], None]) -> None:
    """Open a scratch branch from main, run dbt on it, and keep it for `lakehouse sql --ref`.

    A sweep removes it a day later. Raises TransformError when dbt fails.
    """
    name = f"scratch-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    with turn(pipeline.leases, "dbt", say) as lease:
        base, run_id = pipeline.lakehouse.main_version(), lease.owner.run_id
        branch = pipeline.lakehouse.open_branch(name, base, run_id=run_id)
        branch.refresh_views()
        try:
            environment = target_of("by-hand", pipeline.settings) | branch.dbt_environment()
            prepare_target(Path(environment["DBT_TARGET_PATH"]))
            run_dbt(arguments, environment, branch.dbt_folder())
        finally:
            say(f'The branch: lakehouse sql --ref {name} "select ..."; lakehouse branch drop {name}')
