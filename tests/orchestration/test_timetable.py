"""One partition a day on an hourly schedule, with a frozen clock."""

import datetime as dt
from itertools import pairwise

import pendulum
import pytest
import time_machine
from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DagRunInfo, TimeRestriction

from include.orchestration.timetable import DailyPartitionTimetable

SINCE_EVER = pendulum.datetime(1970, 1, 1)
HALF_PAST_TWO = dt.datetime(2024, 10, 15, 14, 30, tzinfo=dt.UTC)


def hourly(zone: str = "UTC", catchup_days: int = 2) -> DailyPartitionTimetable:
    return DailyPartitionTimetable("5 * * * *", timezone=zone, catchup_days=catchup_days)


def following(
    timetable: DailyPartitionTimetable,
    last: DagRunInfo | None = None,
    *,
    count: int,
    earliest: pendulum.DateTime = SINCE_EVER,
    catchup: bool = True,
) -> list[DagRunInfo]:
    """The next runs, one after another, as the scheduler asks for them."""
    infos = []
    for _ in range(count):
        restriction = TimeRestriction(earliest, None, catchup)
        last = timetable.next_dagrun_info_v2(last_dagrun_info=last, restriction=restriction)
        assert last is not None
        infos.append(last)
    return infos


def told(infos: list[DagRunInfo]) -> list[tuple[str | None, str]]:
    return [(info.partition_key, f"{info.run_after:%Y-%m-%d %H:%M}") for info in infos]


def ran_at(text: str) -> DagRunInfo:
    return DagRunInfo(run_after=pendulum.parse(text), data_interval=None)


@time_machine.travel(HALF_PAST_TWO, tick=False)
def test_missed_days_catch_up_with_one_run_each_then_the_open_day_is_refreshed() -> None:
    assert told(following(hourly(), count=5)) == [
        ("2024-10-13", "2024-10-14 00:05"),
        ("2024-10-14", "2024-10-15 00:05"),
        ("2024-10-15", "2024-10-15 14:05"),
        ("2024-10-15", "2024-10-15 15:05"),
        ("2024-10-15", "2024-10-15 16:05"),
    ]


@time_machine.travel(dt.datetime(2024, 10, 14, 22, 6, tzinfo=dt.UTC), tick=False)
def test_the_tick_after_midnight_closes_the_day_before() -> None:
    assert told(following(hourly(), ran_at("2024-10-14 22:05"), count=4)) == [
        ("2024-10-14", "2024-10-14 23:05"),
        ("2024-10-14", "2024-10-15 00:05"),
        ("2024-10-15", "2024-10-15 01:05"),
        ("2024-10-15", "2024-10-15 02:05"),
    ]


@pytest.mark.parametrize(
    ("catchup_days", "oldest"), [(0, "2024-10-15"), (1, "2024-10-14"), (7, "2024-10-08")]
)
@time_machine.travel(HALF_PAST_TWO, tick=False)
def test_catch_up_goes_as_far_back_as_the_setting_says(catchup_days: int, oldest: str) -> None:
    long_ago = ran_at("2024-06-01 12:05")
    runs = following(hourly(catchup_days=catchup_days), long_ago, count=catchup_days + 1)
    assert runs[0].partition_key == oldest
    assert runs[-1].partition_key == "2024-10-15"


@time_machine.travel(dt.datetime(2024, 10, 15, 0, 6, tzinfo=dt.UTC), tick=False)
def test_without_catch_up_a_day_is_still_closed() -> None:
    assert told(following(hourly(catchup_days=0), ran_at("2024-10-14 23:05"), count=1)) == [
        ("2024-10-14", "2024-10-15 00:05")
    ]


@time_machine.travel(HALF_PAST_TWO, tick=False)
def test_a_dag_that_does_not_catch_up_runs_the_newest_tick() -> None:
    assert told(following(hourly(), ran_at("2024-10-01 12:05"), count=1, catchup=False)) == [
        ("2024-10-15", "2024-10-15 14:05")
    ]


@time_machine.travel(HALF_PAST_TWO, tick=False)
def test_the_start_date_bounds_catch_up_too() -> None:
    runs = following(hourly(catchup_days=7), count=1, earliest=pendulum.datetime(2024, 10, 14))
    assert told(runs) == [("2024-10-14", "2024-10-15 00:05")]


@time_machine.travel(HALF_PAST_TWO, tick=False)
def test_an_end_date_ends_the_schedule() -> None:
    restriction = TimeRestriction(SINCE_EVER, pendulum.datetime(2024, 10, 13), catchup=True)
    assert hourly().next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction) is None


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        # Berlin's 27 October 2024 has 25 hours: its last tick is 25 hours after that of the day before.
        (
            "Europe/Berlin",
            "2024-10-28 11:30",
            [
                ("2024-10-26", "2024-10-26 22:05"),
                ("2024-10-27", "2024-10-27 23:05"),
                ("2024-10-28", "2024-10-28 11:05"),
            ],
        ),
        # New York's 10 March 2024 has 23 hours.
        (
            "America/New_York",
            "2024-03-11 15:30",
            [
                ("2024-03-09", "2024-03-10 05:05"),
                ("2024-03-10", "2024-03-11 04:05"),
                ("2024-03-11", "2024-03-11 15:05"),
            ],
        ),
        # Minute 5 of India's clock is minute 35 in UTC.
        (
            "Asia/Kolkata",
            "2024-10-15 14:30",
            [
                ("2024-10-13", "2024-10-13 18:35"),
                ("2024-10-14", "2024-10-14 18:35"),
                ("2024-10-15", "2024-10-15 13:35"),
            ],
        ),
        # Havana's midnight of 3 November 2024 comes twice: the day starts with the first.
        (
            "America/Havana",
            "2024-11-04 12:30",
            [
                ("2024-11-02", "2024-11-03 04:05"),
                ("2024-11-03", "2024-11-04 05:05"),
                ("2024-11-04", "2024-11-04 12:05"),
            ],
        ),
    ],
)
def test_days_are_those_of_the_zone(zone: str, now: str, expected: list[tuple[str, str]]) -> None:
    with time_machine.travel(pendulum.parse(now), tick=False):
        assert told(following(hourly(zone), count=3)) == expected


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_every_day_of_an_autumn_is_closed_by_one_run(zone: str) -> None:
    """A machine that is switched on once a day, at a quarter past noon UTC."""
    keys: list[str | None] = []
    last: DagRunInfo | None = ran_at("2024-09-20 12:05")
    for day in range(60):
        with time_machine.travel(pendulum.datetime(2024, 9, 21, 12, 15).add(days=day), tick=False):
            now = pendulum.now("UTC")
            while (info := following(hourly(zone), last, count=1)[0]).run_after <= now:
                keys.append(info.partition_key)
                last = info
    # twice a day: closed when it is over, refreshed when it is open; the first is only closed
    assert len(keys) == 2 * 60
    first = dt.date.fromisoformat(str(keys[0]))
    assert keys == [(first + dt.timedelta(days=(number + 1) // 2)).isoformat() for number in range(len(keys))]


@time_machine.travel(HALF_PAST_TWO, tick=False)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_a_backfill_makes_one_run_a_day(zone: str) -> None:
    infos = list(
        hourly(zone).iter_partition_dagrun_infos(
            earliest=dt.datetime(2024, 1, 1, tzinfo=dt.UTC), latest=dt.datetime(2024, 10, 14, tzinfo=dt.UTC)
        )
    )
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(288)]
    assert [info.partition_key for info in infos] == [day.isoformat() for day in days]
    assert all(earlier.partition_date < later.partition_date for earlier, later in pairwise(infos))
    assert {info.partition_date.in_timezone(zone).hour for info in infos} == {0}


@time_machine.travel(HALF_PAST_TWO, tick=False)
def test_a_backfill_never_reaches_into_the_future() -> None:
    infos = hourly().iter_partition_dagrun_infos(
        earliest=dt.datetime(2024, 10, 14, tzinfo=dt.UTC), latest=dt.datetime(2024, 12, 31, tzinfo=dt.UTC)
    )
    assert [info.partition_key for info in infos] == ["2024-10-14", "2024-10-15"]


def test_a_key_typed_by_a_person_has_to_be_a_date() -> None:
    timetable = hourly("Europe/Berlin")
    assert timetable.resolve_partition_date("2024-10-15") == dt.datetime(2024, 10, 14, 22, tzinfo=dt.UTC)
    with pytest.raises(InvalidPartitionKeyError):
        timetable.resolve_partition_date("15/10/2024")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@time_machine.travel(HALF_PAST_TWO, tick=False)
def test_it_is_read_back_as_it_was_written(zone: str) -> None:
    timetable = hourly(zone, catchup_days=4)
    again = DailyPartitionTimetable.deserialize(timetable.serialize())
    assert again == timetable
    assert told(following(again, count=3)) == told(following(timetable, count=3))
    assert again.summary == "5 * * * *, one partition a day"
