"""The page: everything that is published of a site and a period, as one HTML file without scripts."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from include.report import clock, daily, wording
from include.report.marts import PROFILE_DAYS, Row, SiteMarts
from include.report.ranges import classes, targets
from include.report.reasons import shortfall
from include.report.statistics import comparison, statistics
from include.report.units import Units
from include.report.week import HOURS, WEEKDAYS, week

FOLDER = Path(__file__).parent
WIDE_INCHES, NARROW_INCHES = 7.4, 3.6  # of a sheet or a screen, and of a phone
LISTED = 5  # of events of a kind, and of days with gaps


def render(marts: SiteMarts) -> str:
    """The page. The same marts give the same text."""
    environment = _environment()
    units = Units(marts.site["display_units"])
    environment.filters |= {
        name: getattr(wording, name)
        for name in ("percent", "decimal", "time_a_day", "duration", "day", "day_of_week", "local_time")
    }
    environment.filters["glucose"] = lambda value: wording.MISSING if value is None else units.text(value)
    context = _about(marts, units)
    if marts.period and marts.before and marts.hours_period:
        context |= _contents(marts, marts.period, marts.before, marts.hours_period, units)
    return environment.get_template("page.html.j2").render(context) + "\n"


def render_list(pages: Iterable[tuple[str, int]]) -> str:
    """A page that leads to these reports, each a site and the days of a period."""
    days_of: dict[str, list[int]] = {}
    for site_id, days in pages:
        days_of.setdefault(site_id, []).append(days)
    return _environment().get_template("sites.html.j2").render(days_of=days_of) + "\n"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals["css"] = Markup((FOLDER / "page.css").read_text("utf-8"))  # noqa: S704 (ours)
    return environment


def _about(marts: SiteMarts, units: Units) -> dict[str, Any]:
    zone = marts.site["zone"]
    return {
        "marts": marts,
        "site_id": marts.site["site_id"],
        "is_demo": marts.site["is_demo"],
        "zones": [row["zone"] for row in (*marts.zones_before, marts.site)],
        "units": units,
        "period": marts.period,
        "published_at": wording.instant(marts.published_at, zone),
        "data_through": wording.instant(marts.current["data_through"], zone) if marts.current else None,
    }


def _contents(marts: SiteMarts, period: Row, before: Row, hours_period: Row, units: Units) -> dict[str, Any]:
    """What only a site with readings has."""
    return {
        "dates": _dates(period),
        "shortfall": shortfall(period),
        "classes": classes(period, units),
        "targets": targets(period, units),
        "statistics": statistics(period, units),
        "profile": _profile(marts, period, units),
        "profiles": _single_days(marts, period, units),
        "shortfall_before": shortfall(before),
        "dates_before": _dates(before),
        "comparison": comparison(period, before, units),
        "lows": _most(marts.events, "low", lambda event: event["extreme_glucose_mg_dl"]),
        "highs": _most(marts.events, "high", lambda event: -event["duration_minutes"]),
        "week": week(marts.hours, units) if marts.hours else None,
        "week_shortfall": shortfall(hours_period),
        "weekdays": WEEKDAYS,
        "clock_hours": HOURS,
        "insulin": _bars(daily.insulin, marts.treatments, "total_insulin_units"),
        "has_incomplete_basal": not all(row["is_basal_complete"] for row in marts.treatments),
        "carbs": _bars(daily.carbs, marts.treatments, "carbs_grams"),
        "coverage": daily.coverage(marts.overview, _dates_of(period)) if marts.overview else None,
        "known_from": marts.overview[0]["reading_date"] if marts.overview else None,
        "gaps": _longest_gaps(marts.quality),
    }


def _profile(marts: SiteMarts, period: Row, units: Units) -> tuple[Markup, Markup] | None:
    """The profile for a wide and for a narrow page; None when no reading lies in the period."""
    if not marts.bins:
        return None
    wide = clock.profile("profile", marts.bins, period, units, WIDE_INCHES)
    return wide, clock.profile("profile-narrow", marts.bins, period, units, NARROW_INCHES)


def _single_days(marts: SiteMarts, period: Row, units: Units) -> list[dict[str, Any]]:
    """The last days of the period, each with its figure and its row of `mrt_glucose_overview`, if any."""
    overview = {row["reading_date"]: row for row in marts.overview}
    dates = _dates_of(period)[-PROFILE_DAYS:]
    top = clock.top_of_days(marts.slots)
    slots = [clock.slots_of(marts.slots, day) for day in dates]
    return [
        {
            "date": day,
            "row": overview.get(day),
            "figure": clock.one_day(f"day-{number}", of_day, period, units, top) if of_day else None,
        }
        for number, (day, of_day) in enumerate(zip(dates, slots, strict=True))
    ]


def _most(events: Iterable[Row], kind: str, order: Callable[[Row], float]) -> list[Row]:
    """The first few events of a kind in an order, the earlier first where that leaves it open."""
    of_kind = [event for event in events if event["kind"] == kind]
    return sorted(of_kind, key=lambda event: (order(event), event["started_at"]))[:LISTED]


def _dates_of(period: Row) -> list[date]:
    """Each day of the period."""
    return [period["period_start"] + timedelta(days=day) for day in range(period["period_days"])]


def _dates(period: Row) -> str:
    return wording.days(period["period_start"], period["period_end"])


def _bars(draw: Callable[[Sequence[Row]], Markup], treatments: Sequence[Row], column: str) -> Markup | None:
    """The figure; None when no day has anything in that column."""
    return draw(treatments) if any(row[column] for row in treatments) else None


def _longest_gaps(quality: Iterable[Row]) -> list[Row]:
    """The days with the longest gaps, of those with one over half an hour."""
    with_gaps = (row for row in quality if row["gap_count"])
    return sorted(with_gaps, key=lambda row: (-row["longest_gap_minutes"], row["reading_date"]))[:LISTED]
