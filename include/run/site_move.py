"""A site that moved to another address."""

from collections.abc import Callable
from datetime import UTC, datetime

from include.errors import InputError, SettingsError
from include.ingestion.outcome_rows import move_row, outcome_table
from include.ingestion.outcomes import Outcomes
from include.lakehouse import merge_rows
from include.nightscout.sites import Site
from include.run.pipeline import Pipeline
from include.run.turn import turn
from include.schemas import RAW_TABLES

OUTCOMES = RAW_TABLES["ingest_outcomes"]


def move_site(pipeline: Pipeline, site_id: str, say: Callable[[str], None]) -> None:
    """Bind a site id to its configured origin from now on, as a version of its own.

    Raises InputError when the site is not configured, has no data yet, or did not move, SettingsError when
    it is not known where it is.
    """
    site = pipeline.sites.get(site_id)
    if site is None:
        raise InputError(f"No site {site_id!r} is configured; there are {', '.join(sorted(pipeline.sites))}.")
    if site.problem is not None:
        raise SettingsError(site.problem)
    former_origin(pipeline, site)  # a mistake is told at once, not after waiting for a run
    with turn(pipeline.leases, f"site-move-{site_id}", say) as lease:
        bound = former_origin(pipeline, site)
        run_id = lease.owner.run_id
        branch = pipeline.lakehouse.open_branch(run_id, pipeline.lakehouse.main_version(), run_id=run_id)
        row = move_row(site_id, site.origin, datetime.now(UTC), run_id, lease.number)
        merge_rows(
            branch.table(OUTCOMES.name),
            [outcome_table([row])],
            key=OUTCOMES.key,
            instant=OUTCOMES.instant,
            bookkeeping=OUTCOMES.bookkeeping,
            commit_id=run_id,
        )
        branch.refresh_views()
        with pipeline.leases.held(lease):
            pipeline.lakehouse.promote(run_id, branch.head())
        say(f"Site {site_id} moved from {bound} to {site.origin}.")
        say("The next run reads it there, up to HEAL_DAYS back.")
        pipeline.publish(lease.as_dict())


def former_origin(pipeline: Pipeline, site: Site) -> str:
    """The origin that the site's data came from so far. Raises InputError when that is the configured one."""
    known: dict[str, str] = {}
    if pipeline.lakehouse.main_version() is not None:
        known = Outcomes.read(pipeline.lakehouse.at("main").table(OUTCOMES.name)).origins()
    bound = known.get(site.site_id)
    if bound is None or bound == site.origin:
        raise InputError(f"Site {site.site_id} has not moved: its data comes from {bound or 'nowhere yet'}.")
    return bound
