"""When runs start, and which day each one owns: one partition a calendar day, refreshed by every tick."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, Self

import pendulum
from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.timetables.trigger import CronPartitionTimetable
from pendulum import DateTime

KEY_FORMAT = "%Y-%m-%d"
DAY = dt.timedelta(days=1)


class DailyPartitionTimetable(CronPartitionTimetable):
    """A cron whose every tick runs for the calendar day that the tick before it lies in.

    Hourly at minute 5, the ticks from 01:05 to 23:05 refresh today, and the one at 00:05 closes yesterday.
    A day whose ticks were missed is caught up by its closing tick alone, at most `catchup_days` back; a
    backfill makes one run a day. Airflow's own CronPartitionTimetable would run once a tick: 24 times a day.

    It leans on private methods of CronMixin (`_get_next`, `_align_to_next`, ...); the tests pin them.
    """

    def __init__(self, cron: str, *, timezone: Any, catchup_days: int) -> None:
        super().__init__(cron, timezone=timezone, run_offset=-1, key_format=KEY_FORMAT)
        self.catchup_days = catchup_days

    @property
    def summary(self) -> str:
        """What the UI shows as schedule."""
        return f"{self._expression}, one partition a day"

    def serialize(self) -> dict[str, Any]:
        """JSON-safe; `deserialize` makes an equal timetable of it."""
        from airflow.serialization.encoders import encode_timezone  # a cycle when imported with this module

        return {
            "cron": self._expression,
            "timezone": encode_timezone(self._timezone),
            "catchup_days": self.catchup_days,
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """The timetable that `serialize` wrote."""
        timezone = pendulum.timezone(data["timezone"])
        return cls(data["cron"], timezone=timezone, catchup_days=data["catchup_days"])

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next run: of missed days the oldest one allowed, else the next tick of the open day."""
        newest = self._align_to_prev(pendulum.now("UTC"))
        oldest = self._day_of(newest) - dt.timedelta(days=self.catchup_days if restriction.catchup else 0)
        if restriction.earliest is not None:
            oldest = max(oldest, self._local_date(restriction.earliest))
        if last_dagrun_info is None or self._day_of(last_dagrun_info.run_after) < oldest:
            tick = self._get_next(self._closing_tick(oldest - DAY))
        else:
            tick = self._get_next(last_dagrun_info.run_after)
        tick = max(tick, min(self._closing_tick(self._day_of(tick)), newest))
        if restriction.latest is not None and tick > restriction.latest:
            return None
        return self._run(self._day_of(tick), run_after=tick)

    def iter_partition_dagrun_infos(
        self, *, earliest: dt.datetime, latest: dt.datetime
    ) -> Iterator[DagRunInfo]:
        """One run a day between two dates, both included; never a day that has not begun. For backfills."""
        first = self._local_date(self.localize_partition_datetime(earliest))
        last = self._local_date(min(self.localize_partition_datetime(latest), pendulum.now("UTC")))
        for number in range((last - first).days + 1):
            day = first + number * DAY
            yield self._run(day, run_after=self._start(day))

    def _get_partition_date(self, *, run_date: dt.datetime) -> DateTime:
        return self._start(self._day_of(run_date))

    def _run(self, day: dt.date, *, run_after: DateTime) -> DagRunInfo:
        return DagRunInfo(
            run_after=run_after,
            data_interval=None,
            partition_date=self._start(day),
            partition_key=day.isoformat(),
        )

    def _day_of(self, tick: dt.datetime) -> dt.date:
        """The day that a tick runs for: the one that the tick before it lies in."""
        return self._local_date(self._get_prev(pendulum.instance(tick)))

    def _closing_tick(self, day: dt.date) -> DateTime:
        """The last tick that runs for a day: the first one that finds the day over."""
        return self._align_to_next(self._start(day + DAY))

    def _start(self, day: dt.date) -> DateTime:
        """The first instant of a local day, in UTC; the earlier one where a clock change repeats midnight."""
        return pendulum.datetime(day.year, day.month, day.day, tz=self._timezone, fold=0).in_timezone("UTC")

    def _local_date(self, moment: dt.datetime) -> dt.date:
        return pendulum.instance(moment).in_timezone(self._timezone).date()
