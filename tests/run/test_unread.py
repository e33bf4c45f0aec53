"""Days that no later run reads by itself: what is said of a failed window, and where holes are seen."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from include.ingestion.spans import Span
from include.nightscout.connections import Credentials
from include.nightscout.sites import Site
from include.nightscout.windows import DAY_COLLECTIONS, EPOCH, Collection, Window
from include.nightscout.zones import ZoneValidity
from include.run import unread
from include.run.pipeline import Pipeline
from include.run.unread import Hole, failed_window, holes

AUCKLAND = (ZoneValidity("Pacific/Auckland"),)
ENTRIES, TREATMENTS = DAY_COLLECTIONS
NOW = datetime(2024, 10, 15, 12, tzinfo=UTC)  # already the 16th in Auckland


def midnight(month: int, day: int) -> datetime:
    return datetime(2024, month, day, tzinfo=ZoneInfo("Pacific/Auckland")).astimezone(UTC)


def days(first: tuple[int, int], end: tuple[int, int]) -> Span:
    return midnight(*first), midnight(*end)


def said(monkeypatch: pytest.MonkeyPatch, window: Window, heal_days: int) -> str:
    monkeypatch.setattr(unread, "utc_now", lambda: NOW)
    site = Site("home", "", AUCKLAND, Credentials())
    settings = SimpleNamespace(heal_days=heal_days)
    pipeline = cast("Pipeline", SimpleNamespace(sites={"home": site}, settings=settings))
    result: dict[str, Any] = failed_window(pipeline, window.as_dict(), "answers 503")
    assert Window.from_dict(result) == window
    return str(result["failed"])


@pytest.mark.parametrize(("heal_days", "is_healed"), [(14, False), (15, True)])
def test_a_window_that_the_next_run_does_not_reach_is_told_with_its_local_days(
    monkeypatch: pytest.MonkeyPatch, heal_days: int, is_healed: bool
) -> None:
    window = Window("home", ENTRIES, midnight(10, 1), midnight(10, 8))
    advice = "; older than HEAL_DAYS: read it again with make run START=2024-10-01 END=2024-10-07"
    assert said(monkeypatch, window, heal_days) == "answers 503" + ("" if is_healed else advice)


def test_profiles_are_read_by_any_run(monkeypatch: pytest.MonkeyPatch) -> None:
    window = Window("home", Collection.PROFILES, EPOCH, NOW)
    assert said(monkeypatch, window, heal_days=0) == "answers 503"


@pytest.mark.parametrize(
    ("entries", "treatments", "found"),
    [
        ([], [], []),
        ([days((4, 1), (4, 9))], [days((4, 1), (4, 9))], []),
        ([days((4, 1), (4, 3)), days((4, 5), (4, 9))], [days((4, 1), (4, 9))], [(3, 4, ENTRIES)]),
        ([days((4, 1), (4, 4))], [days((4, 1), (4, 9))], [(4, 8, ENTRIES)]),
        ([days((4, 1), (4, 9))], [days((4, 2), (4, 9))], [(1, 1, TREATMENTS)]),
        (
            [days((4, 1), (4, 3)), days((4, 7), (4, 9))],
            [days((4, 1), (4, 4)), days((4, 7), (4, 9))],
            [(3, 3, ENTRIES), (4, 6, ENTRIES, TREATMENTS)],
        ),
    ],
)
def test_days_between_that_are_not_whole(
    entries: list[Span], treatments: list[Span], found: list[tuple[Any, ...]]
) -> None:
    whole = {("home", ENTRIES): entries, ("home", TREATMENTS): treatments}
    expected = [Hole(date(2024, 4, first), date(2024, 4, last), tuple(of)) for first, last, *of in found]
    assert holes("home", AUCKLAND, whole) == expected
    assert holes("other", AUCKLAND, whole) == []


def test_a_day_of_which_a_part_was_read_is_a_hole_until_it_is_the_last() -> None:
    """The clocks go back on the 7th: it has 25 hours."""
    hour = timedelta(hours=1)
    spans = [(midnight(4, 6), midnight(4, 8) - hour), (midnight(4, 8), midnight(4, 9) + hour)]
    whole = {("home", of): spans for of in DAY_COLLECTIONS}
    assert holes("home", AUCKLAND, whole) == [Hole(date(2024, 4, 7), date(2024, 4, 7), DAY_COLLECTIONS)]
