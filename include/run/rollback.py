"""Back to an older version of the lake."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from include.errors import InputError, PublishError
from include.run.pipeline import Pipeline
from include.run.reports import make_reports
from include.run.transform import manifest_path
from include.run.turn import turn
from include.serving.publish import check_view
from include.serving.published_models import published_models

ADVICE = (
    "The next run of nightscout_glucose merges again what came since: "
    "if you do not want that, pause the Dag first."
)


def rollback(pipeline: Pipeline, version: str, say: Callable[[str], None]) -> None:
    """Take the lease, make `version` main again and publish it.

    Raises InputError, and main stays, for a version that is not kept, older than the staged answers from
    which later runs could load again what came since, or without a model that readers are shown.
    """
    kept = {known.name: known for known in pipeline.lakehouse.history()}
    oldest = datetime.now(UTC) - timedelta(days=pipeline.settings.stage_retention_days)
    if version not in kept:
        raise InputError(f"There is no version {version!r}; kept are: {', '.join(kept) or 'none yet'}.")
    if kept[version].promoted_at < oldest:
        raise InputError(
            f"{version} is older than STAGE_RETENTION_DAYS ({pipeline.settings.stage_retention_days}): "
            "what came since could not be loaded again in full. Load the days again with a range run instead."
        )
    with turn(pipeline.leases, "rollback", say) as lease:
        _check_can_be_shown(pipeline, version)
        with pipeline.leases.held(lease):
            pipeline.lakehouse.rollback(version)
        say(f"main is {version} again.")
        pipeline.publish(lease.as_dict())
        say(f"Published it. {ADVICE}")
    make_reports(pipeline)


def _check_can_be_shown(pipeline: Pipeline, version: str) -> None:
    try:
        check_view(pipeline.lakehouse.at(version), published_models(manifest_path(pipeline.settings)))
    except PublishError as error:
        raise InputError(
            f"{version} cannot be published, so main stays as it is: {error}. "
            "Choose a later version, or roll back with the program of that time."
        ) from error
