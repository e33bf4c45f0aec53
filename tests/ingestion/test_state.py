"""What a window's filter selects of the stored documents: exactly what the site's own filter would."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.ingestion.state import are_selected, filter_values
from include.nightscout.windows import Collection, Window, milliseconds
from tests.nightscout.site_filter import selects

START = datetime(2024, 10, 15, tzinfo=UTC)
DAY = Window("anna", Collection.ENTRIES, START, START + timedelta(days=1))
TREATMENTS = Window("anna", Collection.TREATMENTS, DAY.start, DAY.end)
START_MS, END_MS = milliseconds(DAY.start), milliseconds(DAY.end)


def is_selected(window: Window, value: Any) -> bool:
    of_type = pl.Float64 if window.collection is Collection.ENTRIES else pl.String
    return bool(are_selected(window, filter_values(window.collection, pl.Series([value], dtype=of_type)))[0])


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (START_MS, True),
        (START_MS - 1, False),
        (START_MS - 0.25, False),
        (END_MS - 1, True),  # trap 1: the last reading, 23:59:59.999
        (END_MS - 0.5, True),  # trap 9: a float, as Loop and Trio send it
        (END_MS, False),
        (None, False),  # trap 9: what is no number is stored as null
        (float("nan"), False),
    ],
)
def test_entries_by_their_date(date: float | None, expected: bool) -> None:
    assert is_selected(DAY, date) is expected


@pytest.mark.parametrize(
    ("created_at", "expected"),
    [
        ("2024-10-15T00:00:00.000Z", True),
        ("2024-10-14T23:59:59.999Z", False),
        ("2024-10-15T23:59:59.999Z", True),
        ("2024-10-15T23:59:59Z", True),
        ("2024-10-16T00:00:00.000Z", False),
        ("2024-10-16T00:00:00.000Z or more", False),
        ("2024-10-16T01:00:00+02:00", False),  # compared as text, as the site does
        ("2024-10-15T00:00:00-04:00", False),  # "-" sorts before "."
        ("", False),
        (None, False),
    ],
)
def test_treatments_by_created_at_as_text(created_at: str | None, expected: bool) -> None:
    assert is_selected(TREATMENTS, created_at) is expected


@given(st.floats(START_MS - 5, END_MS + 5) | st.sampled_from([START_MS, END_MS]))
def test_any_date_as_the_site_would(date: float) -> None:
    assert is_selected(DAY, date) == selects(DAY, {"date": date})


NEAR = st.sampled_from(["2024-10-14T", "2024-10-15T", "2024-10-16T", "2024-10-16T00:00:00.000Z"])


@given(st.builds(str.__add__, NEAR, st.text("0123456789:.-+TZ ", max_size=16)))
def test_any_text_as_the_site_would(created_at: str) -> None:
    assert is_selected(TREATMENTS, created_at) == selects(TREATMENTS, {"created_at": created_at})
