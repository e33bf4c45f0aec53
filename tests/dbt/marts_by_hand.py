"""The glucose marts computed again from the facts, with numpy and Python's zones instead of SQL."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import duckdb
import numpy as np

from tests.dbt.glucose_lake import Row, rows_of

LENGTHS = (7, 14, 30, 90, 180, 365)
SLOT = timedelta(minutes=5)
FACTS = "select * from lake.silver.fct_glucose_readings order by site_id, slot_start"


@dataclass(frozen=True)
class Site:
    """A site with its zones (first local day, zone), how far it was read, and its readings in order."""

    zones: tuple[tuple[date, ZoneInfo], ...]
    data_through: datetime
    readings: tuple[Row, ...]

    def zone_of(self, day: date) -> ZoneInfo:
        return [zone for valid_from, zone in self.zones if valid_from <= day][-1]

    def start(self, day: date) -> datetime:
        """The instant at which a local day starts."""
        return datetime.combine(day, time(), self.zone_of(day)).astimezone(ZoneInfo("UTC"))

    def open_day(self) -> date:
        """The local day that has not ended at `data_through`."""
        day = self.data_through.date() + timedelta(days=2)
        while self.start(day) > self.data_through:
            day -= timedelta(days=1)
        return day

    def on(self, first: date, last: date) -> list[Row]:
        """Readings of these local days."""
        return [row for row in self.readings if first <= row["reading_date"] <= last]


def sites_of(connection: duckdb.DuckDBPyConnection) -> dict[str, Site]:
    """Each site that has readings."""
    facts: dict[str, list[Row]] = {}
    for row in rows_of(connection, FACTS):
        facts.setdefault(row["site_id"], []).append(row)
    zones: dict[str, list[tuple[date, ZoneInfo]]] = {}
    for row in rows_of(connection, "select * from lake.raw.sites order by site_id, valid_from"):
        zones.setdefault(row["site_id"], []).append((row["valid_from"], ZoneInfo(row["zone"])))
    through = {
        row["site_id"]: row["data_through"]
        for row in rows_of(connection, "select * from lake.silver.int_site_data_through")
    }
    return {
        site_id: Site(tuple(zones[site_id]), through[site_id], tuple(readings))
        for site_id, readings in facts.items()
    }


def period_days(site: Site, length: int, is_current: bool) -> tuple[date, date]:
    """First and last local day of a period."""
    last = site.open_day() - timedelta(days=1 if is_current else 1 + length)
    return last - timedelta(days=length - 1), last


def statistics(values: Iterable[float]) -> Row:
    """Those of a period; none without values."""
    glucose = np.array(list(values), dtype=float)
    if not glucose.size:
        return {}
    mean = glucose.mean()
    deviation = glucose.std(ddof=1) if glucose.size > 1 else None
    share = {
        "below_54": glucose < 54,
        "from_54": (glucose >= 54) & (glucose < 70),
        "below_70": glucose < 70,
        "in_range": (glucose >= 70) & (glucose <= 180),
        "tight": (glucose >= 70) & (glucose <= 140),
        "above_180": glucose > 180,
        "to_250": (glucose > 180) & (glucose <= 250),
        "above_250": glucose > 250,
    }
    percent = {name: 100 * np.count_nonzero(chosen) / glucose.size for name, chosen in share.items()}
    weights = {"below_54": 3, "from_54": 2.4, "above_250": 1.6, "to_250": 0.8}
    risk = 1.509 * (np.log(glucose) ** 1.084 - 5.381)
    return {
        "avg": mean,
        "median": np.median(glucose),
        "min": glucose.min(),
        "max": glucose.max(),
        "stddev": deviation,
        "cv": None if deviation is None else 100 * deviation / mean,
        **percent,
        **{f"p{at:02}": np.quantile(glucose, at / 100) for at in (5, 25, 75, 95)},
        "lbgi": 10 * np.mean(np.minimum(risk, 0) ** 2),
        "hbgi": 10 * np.mean(np.maximum(risk, 0) ** 2),
        "gri": min(100, sum(weight * percent[name] for name, weight in weights.items())),
        "j_index": None if deviation is None else 0.001 * (mean + deviation) ** 2,
    }


def night_slots(site: Site, night: date) -> int:
    """Slots of a night that start before the site's `data_through`, counted one by one."""
    end = min(site.start(night + timedelta(days=1)), site.data_through)
    at, zone, slots = site.start(night), site.zone_of(night), 0
    while at < end:
        slots += at.astimezone(zone).hour < 6 and at - site.start(night) < timedelta(hours=12)
        at += SLOT
    return slots
