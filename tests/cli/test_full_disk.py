"""A volume without room: a sentence, main and Postgres as before, and the next run makes up for it.

The system refuses files above a size to the process of the run; each size stops another step.
"""

import pytest

from tests.cli.homes import Home

DAY = "2024-10-19"  # not loaded yet


@pytest.mark.parametrize(("full", "first"), [("from the start", DAY), ("when the tables grow", "2024-09-19")])
def test_a_run_on_a_full_disk(lake: Home, full: str, first: str) -> None:
    before = lake.seen()
    tables = lake.path / "lake" / "versions" / before["main"] / "lake.duckdb"
    largest_file = 0 if full == "from the start" else tables.stat().st_size
    done = lake.load(first, DAY, largest_file=largest_file)
    assert done.code == 1
    (sentence,) = done.sentence.splitlines()
    assert str(lake.path / "lake") in sentence
    assert lake.seen() == before

    done = lake.load(first, DAY)
    assert done.code == 0, done.err
    status = lake.status()
    assert status["main"] == status["published"]
    days = lake.rows("select reading_date, reading_count from marts.mrt_glucose_overview")
    assert {day["reading_date"]: day["reading_count"] for day in days}[DAY] > 200


@pytest.mark.parametrize(
    ("largest_file", "words"), [(0, "is full: free some space and run again"), (30_000, "free space")]
)
def test_the_first_run_on_a_full_disk(empty: Home, largest_file: int, words: str) -> None:
    """Postgres runs already; there is no room for a branch, or for what the site answered."""
    assert empty.lakehouse("connect").code == 0
    done = empty.load(DAY, DAY, largest_file=largest_file)
    assert done.code == 1
    (sentence,) = done.sentence.splitlines()
    assert str(empty.path) in sentence
    assert words in sentence
    assert empty.status()["main"] is None
