"""Local days: where they start, that they tile, also where clocks and zones change."""

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.errors import SettingsError
from include.nightscout.zones import (
    ZoneValidity,
    check_zones,
    day_end,
    day_start,
    local_date,
    split_days,
    zone_on,
)

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
DIFFICULT_ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "Africa/Cairo",  # midnight does not exist
    "America/Havana",  # midnight does not exist, or exists twice
    "America/St_Johns",  # changed at one minute past midnight
    "America/Asuncion",
    "Asia/Tehran",
    "Asia/Beirut",
    "Pacific/Apia",  # skipped a whole day
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "America/Scoresbysund",
    "Asia/Kathmandu",
    "Etc/GMT+8",
)

zone_names = st.sampled_from(DIFFICULT_ZONES)
days = st.dates(date(2000, 1, 1), date(2030, 12, 31))


@st.composite
def moved(draw: st.DrawFn) -> tuple[ZoneValidity, ...]:
    """Zones of somebody who moved up to three times, perhaps on consecutive days."""
    first = draw(zone_names)
    moves = draw(st.lists(st.tuples(zone_names, days), max_size=3, unique_by=lambda move: move[1]))
    close = draw(st.integers(0, 3))
    later = [(zone, (moves[0][1] + n * DAY) if close else day) for n, (zone, day) in enumerate(moves)]
    zones = [ZoneValidity(first), *(ZoneValidity(zone, day) for zone, day in later)]
    return check_zones(tuple(zones), "zones")


def one(zone: str) -> tuple[ZoneValidity, ...]:
    return (ZoneValidity(zone),)


def test_every_day_of_the_oracle(test_data: Path) -> None:
    with (test_data / "oracle_dst_days.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 30
    for row in rows:
        zones, day = one(row["tz"]), date.fromisoformat(row["local_date"])
        assert day_start(zones, day) == datetime.fromisoformat(row["utc_start"]), row
        assert day_end(zones, day) == datetime.fromisoformat(row["utc_end"]), row
        length = day_end(zones, day) - day_start(zones, day)
        assert length == timedelta(hours=float(row["hours"])), row
        assert length // timedelta(minutes=5) == int(row["slots_5min"]), row


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00+00:00"),  # 00:00 to 01:00 is skipped
        ("America/Havana", "2024-03-10", "2024-03-10T05:00:00+00:00"),  # 00:00 to 01:00 is skipped
        ("America/Havana", "2024-11-03", "2024-11-03T04:00:00+00:00"),  # 00:00 twice: the first
        ("America/St_Johns", "2009-11-01", "2009-11-01T02:30:00+00:00"),  # from 00:01 back to 23:01
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00+00:00"),  # skipped: starts where the next does
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00+00:00"),
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30:00+00:00"),  # from 23:30 on to 00:30
    ],
)
def test_days_whose_midnight_is_missing_or_double(zone: str, day: str, start: str) -> None:
    assert day_start(one(zone), date.fromisoformat(day)) == datetime.fromisoformat(start)


def test_the_second_hour_before_midnight_belongs_to_the_day_that_has_begun() -> None:
    zones = one("America/St_Johns")
    assert local_date(zones, datetime(2009, 11, 1, 2, 29, 59, tzinfo=UTC)) == date(2009, 10, 31)
    assert local_date(zones, datetime(2009, 11, 1, 2, 30, 30, tzinfo=UTC)) == date(2009, 11, 1)
    assert local_date(zones, datetime(2009, 11, 1, 2, 45, tzinfo=UTC)) == date(2009, 11, 1)


def test_a_skipped_day_is_empty_and_no_instant_has_it() -> None:
    zones = one("Pacific/Apia")
    assert day_start(zones, date(2011, 12, 30)) == day_end(zones, date(2011, 12, 30))
    start = day_start(zones, date(2011, 12, 31))
    assert local_date(zones, start) == date(2011, 12, 31)
    assert local_date(zones, start - MILLISECOND) == date(2011, 12, 29)


def test_a_zone_takes_effect_when_its_first_day_starts_in_it() -> None:
    zones = (ZoneValidity("Europe/London"), ZoneValidity("America/New_York", date(2024, 5, 1)))
    assert zone_on(zones, date(2024, 4, 30)) == "Europe/London"
    assert zone_on(zones, date(2024, 5, 1)) == "America/New_York"
    assert day_start(zones, date(2024, 4, 30)) == datetime(2024, 4, 29, 23, tzinfo=UTC)
    assert day_start(zones, date(2024, 5, 1)) == datetime(2024, 5, 1, 4, tzinfo=UTC)  # a day of 29 hours
    assert local_date(zones, datetime(2024, 5, 1, 3, 59, tzinfo=UTC)) == date(2024, 4, 30)
    assert local_date(zones, datetime(2024, 5, 1, 4, 0, tzinfo=UTC)) == date(2024, 5, 1)


def test_a_day_lost_over_the_date_line_is_empty() -> None:
    zones = (ZoneValidity("Pacific/Pago_Pago"), ZoneValidity("Pacific/Kiritimati", date(2024, 5, 2)))
    change = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert day_start(zones, date(2024, 5, 2)) == change
    assert day_start(zones, date(2024, 5, 1)) == change
    assert local_date(zones, change) == date(2024, 5, 2)
    assert local_date(zones, change - MILLISECOND) == date(2024, 4, 30)


@settings(max_examples=200)
@given(moved(), days, st.integers(1, 40))
def test_days_tile(zones: tuple[ZoneValidity, ...], day: date, count: int) -> None:
    starts = [day_start(zones, day + n * DAY) for n in range(count + 1)]
    assert starts == sorted(starts)
    assert [day_end(zones, day + n * DAY) for n in range(count)] == starts[1:]
    assert all(start.utcoffset() == timedelta(0) for start in starts)


@settings(max_examples=200)
@given(moved(), st.datetimes(datetime(2000, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_local_date_is_the_day_that_holds_the_instant(
    zones: tuple[ZoneValidity, ...], instant: datetime
) -> None:
    day = local_date(zones, instant)
    assert day_start(zones, day) <= instant < day_end(zones, day)


@settings(max_examples=100)
@given(moved(), days)
def test_both_edges_of_a_day_have_its_date(zones: tuple[ZoneValidity, ...], day: date) -> None:
    if day_start(zones, day) < day_end(zones, day):
        assert local_date(zones, day_start(zones, day)) == day
        assert local_date(zones, day_end(zones, day) - MILLISECOND) == day


@settings(max_examples=100)
@given(moved(), days, st.integers(0, 100), st.integers(1, 40))
def test_chunks_tile_the_range(
    zones: tuple[ZoneValidity, ...], first: date, more: int, chunk_days: int
) -> None:
    last = first + more * DAY
    chunks = split_days(zones, first, last, chunk_days)
    assert all(start < end for start, end in chunks)
    assert [end for _, end in chunks[:-1]] == [start for start, _ in chunks[1:]]
    if chunks:
        assert chunks[0][0] == day_start(zones, first)
        assert chunks[-1][1] == day_end(zones, last)
    else:
        assert day_start(zones, first) == day_end(zones, last)
    for start, end in chunks:
        assert local_date(zones, end - MILLISECOND) - local_date(zones, start) < chunk_days * DAY


def test_a_year_in_chunks_of_31_days() -> None:
    chunks = split_days(one("Europe/Berlin"), date(2024, 1, 1), date(2024, 12, 31))
    assert len(chunks) == 12
    assert chunks[0] == (
        datetime(2023, 12, 31, 23, tzinfo=UTC),
        datetime(2024, 1, 31, 23, tzinfo=UTC),
    )
    assert chunks[-1][1] == datetime(2024, 12, 31, 23, tzinfo=UTC)
    assert split_days(one("Europe/Berlin"), date(2024, 1, 2), date(2024, 1, 1)) == []


def test_a_day_without_length_makes_no_chunk() -> None:
    zones, day = one("Pacific/Apia"), date(2011, 12, 30)
    assert split_days(zones, day, day) == []
    change = datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert split_days(zones, day - DAY, day + DAY, days=1) == [
        (change - DAY, change),
        (change, change + DAY),
    ]


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("ETC/GMT+8", "Etc/GMT+8"),  # trap 16: what Loop writes into profiles
        ("Nowhere/At_All_Zzz", "such as Europe/Berlin"),
        ("", "IANA"),
        ("America", "IANA"),
        ("/etc/passwd", "IANA"),
        ("../../etc/passwd", "IANA"),
        ("posix/Europe/Berlin", "Europe/Berlin"),
        ("right/Europe/Berlin", "Europe/Berlin"),
        ("localtime", "IANA"),
        ("a\0b", "IANA"),
    ],
)
def test_an_unknown_zone_is_named_with_its_setting(zone: str, hint: str) -> None:
    with pytest.raises(SettingsError, match="NIGHTSCOUT_TIME_ZONE") as caught:
        check_zones(one(zone), "NIGHTSCOUT_TIME_ZONE")
    assert repr(zone) in str(caught.value)
    assert hint in str(caught.value)


def test_zones_are_sorted_and_need_exactly_one_first() -> None:
    first, second = ZoneValidity("Europe/London"), ZoneValidity("America/New_York", date(2024, 5, 1))
    assert check_zones((second, first), "site ben") == (first, second)
    for wrong in [(second,), (first, ZoneValidity("Europe/Berlin")), ()]:
        with pytest.raises(SettingsError, match=r"^site ben: exactly one zone"):
            check_zones(wrong, "site ben")
    with pytest.raises(SettingsError, match="same day"):
        check_zones((first, second, ZoneValidity("Asia/Tehran", date(2024, 5, 1))), "site ben")
