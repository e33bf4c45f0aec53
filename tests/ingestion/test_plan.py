"""Which windows a run reads."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import InputError
from include.ingestion.plan import RunRequest, Span, plan_windows
from include.ingestion.spans import join_spans
from include.nightscout.connections import Credentials
from include.nightscout.sites import Site
from include.nightscout.windows import DAY_COLLECTIONS, Collection, Window
from include.nightscout.zones import ZoneValidity, local_date
from include.settings import Settings

BERLIN, AUCKLAND, LOS_ANGELES = "Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles"
NOON = datetime(2024, 10, 15, 12, tzinfo=UTC)
TODAY = date(2024, 10, 15)
DAY = timedelta(days=1)


def settings(lookback: int = 3, heal: int = 90) -> Settings:
    return Settings(_env_file=None, lookback_days=lookback, heal_days=heal)


def site(zone: str = BERLIN, site_id: str = "home") -> Site:
    return Site(site_id, "https://ns.example", (ZoneValidity(zone),), Credentials())


def midnight(zone: str, day: date) -> datetime:
    """The start of a day whose midnight exists once."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def whole(*spans: Span, site_id: str = "home") -> dict[tuple[str, Collection], list[Span]]:
    return {(site_id, collection): list(spans) for collection in DAY_COLLECTIONS}


def entries(windows: list[Window]) -> list[Span]:
    return [(window.start, window.end) for window in windows if window.collection is Collection.ENTRIES]


def plan(request: RunRequest, zone: str = BERLIN, known: object = None, **of: int) -> list[Span]:
    windows = plan_windows([site(zone)], request, NOON, known or {}, settings(**of))  # type: ignore[arg-type]
    treatments = [(w.start, w.end) for w in windows if w.collection is Collection.TREATMENTS]
    assert entries(windows) == treatments
    return entries(windows)


def test_a_key_of_long_ago_reads_just_that_local_day() -> None:
    day = date(2024, 6, 3)
    assert plan(RunRequest(key=day)) == [(midnight(BERLIN, day), midnight(BERLIN, day + DAY))]


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2024, 3, 31), 23), (date(2023, 10, 29), 25), (date(2024, 5, 1), 24)]
)
def test_a_day_has_as_many_hours_as_clocks_show(day: date, hours: int) -> None:
    [(start, end)] = plan(RunRequest(key=day))
    assert end - start == timedelta(hours=hours)


def test_a_scheduled_run_of_a_past_day_starts_lookback_days_before_it() -> None:
    day = date(2024, 6, 3)
    found = plan(RunRequest(key=day, is_scheduled=True))
    assert found == [(midnight(BERLIN, day - 3 * DAY), midnight(BERLIN, day + DAY))]


@pytest.mark.parametrize("zone", [BERLIN, AUCKLAND, LOS_ANGELES])
@pytest.mark.parametrize("key", [TODAY, TODAY - DAY])
@pytest.mark.parametrize("is_scheduled", [True, False])
def test_a_run_keyed_to_the_current_or_previous_utc_date_reads_up_to_now(
    zone: str, key: date, is_scheduled: bool
) -> None:
    found = plan(RunRequest(key=key, is_scheduled=is_scheduled), zone, heal=0)
    assert found[-1][1] == NOON


def test_the_open_day_by_hand_has_no_lookback() -> None:
    assert plan(RunRequest(key=TODAY)) == [(midnight(BERLIN, TODAY), NOON)]


def test_where_the_key_has_not_begun_yet_the_local_day_is_read() -> None:
    """At 3 o'clock UTC it is still the day before in Los Angeles."""
    night = datetime(2024, 10, 15, 3, tzinfo=UTC)
    windows = plan_windows([site(LOS_ANGELES)], RunRequest(key=TODAY), night, {}, settings())
    assert entries(windows) == [(midnight(LOS_ANGELES, TODAY - DAY), night)]


def test_the_first_run_of_a_new_site_loads_its_last_90_days() -> None:
    for request in (RunRequest(key=TODAY, is_scheduled=True), RunRequest()):
        found = plan(request)
        assert found[0][0] == midnight(BERLIN, TODAY - 90 * DAY)
        assert found[-1][1] == NOON
        assert len(found) == 3


def test_an_outage_heals_by_itself() -> None:
    gap_start = midnight(BERLIN, TODAY - 20 * DAY)
    known = whole(
        (midnight(BERLIN, TODAY - 100 * DAY), gap_start + timedelta(hours=1)),
        (gap_start + timedelta(hours=2), NOON - timedelta(hours=1)),
    )
    assert plan(RunRequest(), known=known) == [(gap_start, NOON)]


def test_a_day_is_whole_only_when_both_collections_are() -> None:
    known = whole((midnight(BERLIN, TODAY - 100 * DAY), NOON))
    assert plan(RunRequest(), known=known) == [(midnight(BERLIN, TODAY - 3 * DAY), NOON)]
    known["home", Collection.TREATMENTS] = [
        (midnight(BERLIN, TODAY - 100 * DAY), midnight(BERLIN, TODAY - 9 * DAY))
    ]
    assert plan(RunRequest(), known=known) == [(midnight(BERLIN, TODAY - 9 * DAY), NOON)]


def test_another_sites_days_do_not_count() -> None:
    known = whole((midnight(BERLIN, TODAY - 100 * DAY), NOON), site_id="other")
    assert plan(RunRequest(), known=known)[0][0] == midnight(BERLIN, TODAY - 90 * DAY)


def test_healing_never_shortens_the_lookback_and_never_reaches_past_its_limit() -> None:
    assert plan(RunRequest(), heal=0)[0][0] == midnight(BERLIN, TODAY - 3 * DAY)
    assert plan(RunRequest(), heal=10)[0][0] == midnight(BERLIN, TODAY - 10 * DAY)
    assert plan(RunRequest(), heal=0, lookback=0) == [(midnight(BERLIN, TODAY), NOON)]


def test_a_backfill_of_an_unknown_site_does_not_heal() -> None:
    assert plan(RunRequest(key=TODAY - DAY)) == [(midnight(BERLIN, TODAY - DAY), NOON)]
    assert len(plan(RunRequest(key=date(2024, 9, 1), is_scheduled=True))) == 1


def test_a_range_is_cut_into_windows_of_31_local_days() -> None:
    found = plan(RunRequest(date(2024, 1, 1), date(2024, 3, 31)))
    assert [start for start, _ in found] == [
        midnight(BERLIN, date(2024, 1, 1) + 31 * n * DAY) for n in range(3)
    ]
    assert found[-1][1] == midnight(BERLIN, date(2024, 4, 1))


def test_a_range_ends_at_the_latest_when_the_lease_was_taken() -> None:
    assert plan(RunRequest(TODAY, date(2024, 12, 31))) == [(midnight(BERLIN, TODAY), NOON)]
    assert plan(RunRequest(TODAY, date.max)) == [(midnight(BERLIN, TODAY), NOON)]


def test_windows_end_on_a_whole_millisecond() -> None:
    taken_at = NOON + timedelta(microseconds=1999)
    windows = plan_windows([site()], RunRequest(key=TODAY), taken_at, {}, settings())
    assert windows[0].end == NOON + timedelta(milliseconds=1)


def test_nothing_is_read_from_a_day_that_starts_now() -> None:
    start = midnight(BERLIN, TODAY) + timedelta(microseconds=10)
    windows = plan_windows([site()], RunRequest(TODAY - DAY, TODAY), start, {}, settings())
    assert entries(windows) == [(midnight(BERLIN, TODAY - DAY), midnight(BERLIN, TODAY))]


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ({"first_day": date(2024, 2, 2), "last_day": date(2024, 2, 1)}, "ends .* before it starts"),
        ({"first_day": date(2024, 2, 2)}, "half a range"),
        ({"last_day": date(2024, 2, 2)}, "half a range"),
        ({"first_day": date(1999, 12, 31), "last_day": date(2024, 2, 1)}, "before 2000-01-01"),
        ({"key": date(1999, 12, 31)}, "before 2000-01-01"),
        ({"key": TODAY, "first_day": TODAY, "last_day": TODAY}, "leave one of them out"),
    ],
)
def test_impossible_days_are_refused(days: dict[str, date], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RunRequest(**days)


@pytest.mark.parametrize(
    "request_", [RunRequest(key=date(2025, 1, 1)), RunRequest(TODAY + 2 * DAY, TODAY + 9 * DAY)]
)
def test_what_lies_wholly_in_the_future_is_refused(request_: RunRequest) -> None:
    with pytest.raises(InputError, match="lies in the future"):
        plan(request_)


def test_a_day_that_has_begun_at_one_site_only_is_read_there() -> None:
    sites = [site(AUCKLAND, "auckland"), site(LOS_ANGELES, "los_angeles")]
    windows = plan_windows(sites, RunRequest(TODAY + DAY, TODAY + DAY), NOON, {}, settings())
    assert {window.site_id for window in windows} == {"auckland"}


def test_no_site_no_windows() -> None:
    assert plan_windows([], RunRequest(), NOON, {}, settings()) == []


requests = st.one_of(
    st.builds(RunRequest, key=st.dates(date(2000, 1, 1), TODAY), is_scheduled=st.booleans()),
    st.just(RunRequest()),
    st.tuples(st.dates(date(2000, 1, 1), TODAY), st.integers(0, 800)).map(
        lambda range_: RunRequest(range_[0], range_[0] + range_[1] * DAY)
    ),
)
instants = st.datetimes(datetime(2024, 9, 1), datetime(2024, 10, 16), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(
    ["UTC", BERLIN, AUCKLAND, LOS_ANGELES, "Pacific/Kiritimati", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
coverage = st.lists(st.tuples(instants, instants).map(lambda pair: (min(pair), max(pair))), max_size=4)


@given(request_=requests, zone=zones, taken_at=instants, entry_spans=coverage, treatment_spans=coverage)
def test_windows_are_short_in_order_disjoint_and_never_in_the_future(
    request_: RunRequest, zone: str, taken_at: datetime, entry_spans: list[Span], treatment_spans: list[Span]
) -> None:
    known = {
        ("home", Collection.ENTRIES): join_spans(entry_spans),
        ("home", Collection.TREATMENTS): join_spans(treatment_spans),
    }
    of = site(zone)
    try:
        windows = plan_windows([of], request_, taken_at, known, settings())
    except InputError:
        asked = request_.first_day or request_.key
        assert asked is not None
        assert asked > local_date(of.zones, taken_at)
        return
    assert windows == plan_windows([of], request_, taken_at, known, settings())
    found = entries(windows)
    for start, end in found:
        assert start < end <= taken_at
        assert (end.astimezone(ZoneInfo(zone)).date() - start.astimezone(ZoneInfo(zone)).date()).days <= 31
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert found[0][0].astimezone(ZoneInfo(zone)).strftime("%H:%M") in {"00:00", "01:00"}


@given(zone=zones, taken_at=instants, entry_spans=coverage, treatment_spans=coverage)
def test_after_an_open_run_every_day_of_the_healed_past_is_whole(
    zone: str, taken_at: datetime, entry_spans: list[Span], treatment_spans: list[Span]
) -> None:
    known = {
        ("home", Collection.ENTRIES): join_spans(entry_spans),
        ("home", Collection.TREATMENTS): join_spans(treatment_spans),
    }
    windows = plan_windows([site(zone)], RunRequest(), taken_at, known, settings(heal=30))
    today = local_date(site(zone).zones, taken_at)
    healed = datetime(today.year, today.month, today.day, tzinfo=ZoneInfo(zone)) - 30 * DAY
    for collection in DAY_COLLECTIONS:
        read = [(w.start, w.end) for w in windows if w.collection is collection]
        covered = join_spans([*known["home", collection], *read])
        # from whole days of the past, up to the last whole millisecond before now
        last = [span for span in covered if span[1] >= taken_at - timedelta(milliseconds=1)]
        assert any(start <= healed.astimezone(UTC) + timedelta(hours=1) for start, _ in last)
