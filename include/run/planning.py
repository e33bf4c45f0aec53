"""What a run reads, and within which limits, from what it was asked for."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from include.ingestion.plan import RunRequest, Whole, plan_windows
from include.nightscout.sites import Site
from include.nightscout.zones import local_date
from include.settings import Settings

Facts = dict[str, Any]


def plan_run(
    request: Facts, sites: Mapping[str, Site], taken_at: datetime, whole: Whole, settings: Settings
) -> Facts:
    """The windows to read, their first and last local day, whether to promote, and the limits; JSON-safe."""
    asked = RunRequest(
        first_day=_day(request.get("first_day")),
        last_day=_day(request.get("last_day")),
        key=_day(request.get("key")),
        is_scheduled=request["is_scheduled"],
    )
    by_id = [sites[site_id] for site_id in sorted(sites)]
    windows = plan_windows(by_id, asked, taken_at, whole, settings)
    zones = {site_id: site.zones for site_id, site in sites.items()}
    by_day = [window for window in windows if not window.collection.is_read_whole]
    first = min(local_date(zones[window.site_id], window.start) for window in by_day)
    last = max(local_date(zones[of.site_id], of.end - timedelta(milliseconds=1)) for of in by_day)
    return {
        "windows": [window.as_dict() for window in windows],
        "first_day": first.isoformat(),
        "last_day": last.isoformat(),
        "promote": request.get("promote", True),
        "max_quarantine_pct": _or(request.get("max_quarantine_pct"), settings.max_quarantine_pct),
        "max_missing_pct": _or(request.get("max_missing_pct"), settings.max_missing_pct),
    }


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
