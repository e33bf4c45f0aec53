"""Which origin a site id stands for, and that simulated data never mixes with real data."""

from collections.abc import Sequence

from include.errors import SettingsError
from include.ingestion.outcomes import Outcomes
from include.nightscout.sites import Site


def refuse_demo_beside_real(sites: Sequence[Site], outcomes: Outcomes) -> None:
    """Raise SettingsError when the demo site is about to be loaded into a lake that holds a real site."""
    real = outcomes.real_sites()
    if real and any(site.is_demo for site in sites):
        raise SettingsError(
            f"this lake holds data of {', '.join(real)}; the demo site is never loaded beside real data:"
            " set NIGHTSCOUT_URL again, or use another LAKEHOUSE_HOME for the demo"
        )


def expected_origin(site: Site, outcomes: Outcomes) -> str:
    """The origin the site id is bound to; until it has an outcome on main, the configured one."""
    return outcomes.origins().get(site.site_id, site.origin)


def origin_problem(site: Site, outcomes: Outcomes) -> str | None:
    """A sentence when the site id is bound to another origin than the configured one."""
    bound = expected_origin(site, outcomes)
    if bound == site.origin:
        return None
    return (
        f"its data so far came from {bound}, but it is configured with {site.origin}: if it is the same"
        f" person's data, run `lakehouse site move {site.site_id}`; else give the new site another id"
    )
