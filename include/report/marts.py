"""What is published of one site, as its report needs it: rows of the marts as they are, nothing computed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from include.errors import InputError, ReportError
from include.glucose import PERIOD_DAYS
from include.serving.postgres import Postgres

DEFAULT_DAYS = 14  # what the consensus report shows
PROFILE_DAYS = 14  # that many days are drawn one by one
HOURS_DAYS = 90  # that many `mrt_glucose_hourly_patterns` is of
NOTHING = "nothing is published yet: `make run` loads the first days"

Row = dict[str, Any]
Reading = psycopg.Cursor[Row]

PUBLICATION = "select version, published_at from ops.publication"
SITES = "select site_id from marts.dim_sites where is_current order by site_id"
SITE = """
    select * from marts.dim_sites where site_id = %(site_id)s and valid_from_at <= %(through)s
    order by valid_from desc limit 1
"""
CURRENT = "select * from marts.mrt_current_glucose where site_id = %(site_id)s"
PERIOD = "select * from marts.mrt_glucose_periods where site_id = %(site_id)s and period_days = %(days)s"
ROWS = {
    "zones_before": """
        select * from marts.dim_sites
        where site_id = %(site_id)s and valid_to >= %(first)s and valid_to_at <= %(through)s
        order by valid_from
    """,
    "bins": """
        select * from marts.mrt_glucose_agp
        where site_id = %(site_id)s and period_days = %(days)s order by bin_start_minute
    """,
    "overview": """
        select * from marts.mrt_glucose_overview
        where site_id = %(site_id)s and reading_date between %(first)s and %(last)s order by reading_date
    """,
    "slots": """
        select * from marts.mrt_glucose_recent
        where site_id = %(site_id)s and reading_date between %(profiles_from)s and %(last)s
        order by slot_start
    """,
    "events": """
        select * from marts.mrt_glucose_events
        where site_id = %(site_id)s and event_date between %(first)s and %(last)s order by started_at
    """,
    "hours": "select * from marts.mrt_glucose_hourly_patterns where site_id = %(site_id)s",
    "treatments": """
        select * from marts.mrt_treatments_daily
        where site_id = %(site_id)s and treatment_date between %(first)s and %(last)s order by treatment_date
    """,
    "quality": """
        select * from marts.mrt_data_quality
        where site_id = %(site_id)s and reading_date between %(first)s and %(last)s order by reading_date
    """,
}


@dataclass(frozen=True)
class SiteMarts:
    """What one version of the published tables says of a site and a period of `days` days.

    `site` is the row of the zone that holds at `data_through`, `zones_before` are those of earlier zones of
    the period. `period` and `before` are the rows of this period and of the one before, `hours_period` is
    that of the days of `hours`; None, as is `current`, of a site without a reading, and all lists are empty
    then.
    """

    site: Row
    version: str
    published_at: datetime
    current: Row | None = None
    period: Row | None = None
    before: Row | None = None
    hours_period: Row | None = None
    zones_before: list[Row] = field(default_factory=list)
    bins: list[Row] = field(default_factory=list)
    overview: list[Row] = field(default_factory=list)
    slots: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    hours: list[Row] = field(default_factory=list)
    treatments: list[Row] = field(default_factory=list)
    quality: list[Row] = field(default_factory=list)


def check_days(days: int) -> None:
    """Raises InputError for what is not one of PERIOD_DAYS."""
    if days not in PERIOD_DAYS:
        known = ", ".join(map(str, PERIOD_DAYS))
        raise InputError(f"there is no period of {days} days: choose one of {known}")


def published_sites(postgres: Postgres) -> tuple[str | None, list[str]]:
    """The version that is published and the ids of its sites; None and no site before the first one.

    Raises ReportError, ServiceError.
    """
    with postgres.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        version = _publication(cursor)
        if version is None:
            return None, []
        return version["version"], [row["site_id"] for row in _rows(cursor, SITES)]


def read_site(postgres: Postgres, site_id: str, days: int) -> SiteMarts:
    """All that the report of a site needs, from one version of the published tables.

    Raises InputError (nothing published, no such site, not one of PERIOD_DAYS), ReportError, ServiceError.
    """
    check_days(days)
    with postgres.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        publication = _publication(cursor)
        if publication is None:
            raise InputError(NOTHING)
        asked: Row = {"site_id": site_id, "days": days}
        current = _rows(cursor, CURRENT, asked)
        asked["through"] = current[0]["data_through"] if current else publication["published_at"]
        sites = _rows(cursor, SITE, asked)
        if not sites:
            known = ", ".join(row["site_id"] for row in _rows(cursor, SITES)) or "none yet"
            raise InputError(f"no site {site_id!r} is published; published are: {known}")
        periods = _periods(cursor, asked)
        return SiteMarts(
            site=sites[0],
            current=current[0] if current else None,
            period=periods.get(True),
            before=periods.get(False),
            hours_period=_periods(cursor, asked | {"days": HOURS_DAYS}).get(True),
            version=publication["version"],
            published_at=publication["published_at"],
            **(_of_period(cursor, asked, periods[True]) if True in periods else {}),
        )


def _periods(cursor: Reading, asked: Row) -> dict[bool, Row]:
    """This period and the one before, by whether it is current."""
    return {row["is_current"]: row for row in _rows(cursor, PERIOD, asked)}


def _of_period(cursor: Reading, asked: Row, period: Row) -> dict[str, list[Row]]:
    first, last = period["period_start"], period["period_end"]
    profiles_from = max(first, last - timedelta(days=PROFILE_DAYS - 1))
    bounds = {"first": first, "last": last, "profiles_from": profiles_from}
    return {name: _rows(cursor, query, asked | bounds) for name, query in ROWS.items()}


def _publication(cursor: Reading) -> Row | None:
    if not _rows(cursor, "select where to_regclass('ops.publication') is not null"):
        return None
    found = _rows(cursor, PUBLICATION)
    return found[0] if found else None


def _rows(cursor: Reading, query: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
    try:
        return cursor.execute(query, parameters).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise ReportError(
            f"the published tables are not those of this program ({error.diag.message_primary}): "
            "let a run publish them, then try again"
        ) from None
