"""The checks of each site, measured on a version or branch of the lake as it is."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from include.errors import LakehouseError
from include.schemas import checks
from include.schemas.checks import LAST_DAYS, PERIOD_DAYS, Check, CheckResult
from include.schemas.measures import HIGHEST_SHARE_OF_LOWS_PCT, PLAUSIBLE_MEAN_MG_DL

Row = dict[str, Any]

# Days from the first reading on; sensor values are those that could have been readings.
ENDED_DAYS = f"""
select
    ended.site_id, ended.reading_date, ended.days_ago, quality.kept_count, quality.coverage_pct,
    quality.gap_count, coalesce(quality.longest_gap_minutes, 0) as longest_gap_minutes,
    quality.kept_count + quality.duplicate_count as plausible_count, quality.excluded_count,
    metrics.avg_glucose_mg_dl, metrics.time_below_range_pct
from (
    select
        site_id, reading_date, expected_count,
        row_number() over (partition by site_id order by reading_date desc) as days_ago
    from silver.int_local_days
    where is_ended
) as ended
inner join marts.mrt_data_quality as quality
    on ended.site_id = quality.site_id and ended.reading_date = quality.reading_date
left join gold.fct_daily_glucose_metrics as metrics
    on ended.site_id = metrics.site_id and ended.reading_date = metrics.reading_date
where ended.days_ago <= {PERIOD_DAYS} and quality.expected_count > 0
order by ended.site_id, ended.reading_date
"""  # noqa: S608 (numbers of ours)
FRESHNESS = """
select sites.site_id, reads.last_read_at, latest.reading_timestamp, latest.data_through
from (select distinct site_id from gold.dim_sites) as sites
left join (
    select site_id, min(last_read_at) as last_read_at
    from (
        select site_id, collection, max(fetched_at) as last_read_at
        from raw.ingest_outcomes
        where status = 'merged' and kind = 'window' and collection in ('entries', 'treatments')
        group by site_id, collection
    ) as collections
    group by site_id
) as reads on sites.site_id = reads.site_id
left join marts.mrt_current_glucose as latest on sites.site_id = latest.site_id
order by sites.site_id
"""


class Queryable(Protocol):
    """A version or branch of the lake."""

    def query(self, sql: str) -> pa.Table:
        """The rows of one query."""


def check_sites(lake: Queryable, now: datetime, configured: Container[str] | None) -> list[CheckResult]:
    """Every check of every configured site (None: these cannot be known, so all); `now` (aware) is the clock
    that ages are measured by.

    A lake that cannot be asked is told as a result that was not measured: checks never stop a run.
    """
    try:
        freshness = lake.query(FRESHNESS).to_pylist()
        ended_days = lake.query(ENDED_DAYS).to_pylist()
    except LakehouseError as error:
        return [CheckResult(check, about=str(error)) for check in checks.OF_A_SITE]
    days: dict[str, list[Row]] = defaultdict(list)
    for day in ended_days:
        days[day["site_id"]].append(day)
    return [
        result
        for row in freshness
        if configured is None or row["site_id"] in configured
        for result in _of_site(row, days[row["site_id"]], now)
    ]


def _of_site(freshness: Row, days: Sequence[Row], now: datetime) -> Iterator[CheckResult]:
    site_id = freshness["site_id"]
    is_silent = freshness["last_read_at"] is not None and freshness["reading_timestamp"] is None
    yield _age(checks.SOURCE_READ, site_id, freshness["last_read_at"], now, checks.LONGEST_UNREAD_MINUTES)
    yield _age(
        checks.LAST_READING,
        site_id,
        freshness["reading_timestamp"],
        freshness["data_through"],
        checks.LONGEST_SILENCE_MINUTES,
    )
    last = [day for day in days if day["days_ago"] <= LAST_DAYS]
    yield _never_a_reading(site_id) if is_silent else _readings_a_day(site_id, last)
    yield _gaps(site_id, last)
    yield from _distribution(site_id, days)


def _age(
    check: Check, site_id: str, since: datetime | None, until: datetime | None, limit: float
) -> CheckResult:
    if since is None or until is None:
        return CheckResult(check, site_id, about="there is none yet")
    minutes = max((until - since).total_seconds() / 60, 0)
    return CheckResult(check, site_id, minutes, minutes <= limit, f"{since:%Y-%m-%d %H:%M} UTC")


def _readings_a_day(site_id: str, days: Sequence[Row]) -> CheckResult:
    if not days:
        return _no_days(checks.READINGS_A_DAY, site_id)
    worst = min(days, key=lambda day: (_is_enough(day), day["kept_count"]))
    about = f"on {worst['reading_date']}"
    return CheckResult(checks.READINGS_A_DAY, site_id, float(worst["kept_count"]), _is_enough(worst), about)


def _never_a_reading(site_id: str) -> CheckResult:
    """Of a site that is read well: one with a meter only, or whose sensor sends nothing but error codes."""
    return CheckResult(checks.READINGS_A_DAY, site_id, 0.0, False, "it never had a sensor's reading")


def _is_enough(day: Row) -> bool:
    return bool(
        day["kept_count"] >= checks.FEWEST_READINGS or day["coverage_pct"] >= checks.LEAST_COVERAGE_PCT
    )


def _gaps(site_id: str, days: Sequence[Row]) -> CheckResult:
    if not days:
        return _no_days(checks.GAPS, site_id)
    worst = max(days, key=lambda day: day["longest_gap_minutes"])
    about = f"on {worst['reading_date']}"
    if worst["gap_count"]:  # of one over midnight less may lie in the day
        about += f", {worst['longest_gap_minutes']:.0f} minutes of the longest in it"
    return CheckResult(checks.GAPS, site_id, float(worst["gap_count"]), not worst["gap_count"], about)


def _distribution(site_id: str, days: Sequence[Row]) -> Iterator[CheckResult]:
    readings = [day for day in days if day["kept_count"]]
    plausible, excluded = _sum(days, "plausible_count"), _sum(days, "excluded_count")
    about = f"{days[0]['reading_date']} to {days[-1]['reading_date']}" if days else ""
    if readings:
        kept = _sum(readings, "kept_count")
        lows = sum(day["time_below_range_pct"] * day["kept_count"] for day in readings) / kept
        mean = sum(day["avg_glucose_mg_dl"] * day["kept_count"] for day in readings) / kept
        least, greatest = PLAUSIBLE_MEAN_MG_DL
        yield CheckResult(checks.SHARE_OF_LOWS, site_id, lows, lows < HIGHEST_SHARE_OF_LOWS_PCT, about)
        yield CheckResult(checks.MEAN_GLUCOSE, site_id, mean, least <= mean <= greatest, about)
    else:
        yield _no_days(checks.SHARE_OF_LOWS, site_id)
        yield _no_days(checks.MEAN_GLUCOSE, site_id)
    if plausible + excluded:
        share = 100 * plausible / (plausible + excluded)
        yield CheckResult(checks.PLAUSIBLE_VALUES, site_id, share, share >= checks.LEAST_PLAUSIBLE_PCT, about)
    else:
        yield _no_days(checks.PLAUSIBLE_VALUES, site_id)


def _no_days(check: Check, site_id: str) -> CheckResult:
    return CheckResult(check, site_id, about="no readings in its last ended days")


def _sum(days: Iterable[Row], name: str) -> int:
    return sum(day[name] for day in days)
