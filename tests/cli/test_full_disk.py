"""A volume without room: a sentence, main and Postgres as before, and the next run makes up for it.

The system refuses files above a size to the process of the run; each size stops another step.
"""

import pytest

from tests.cli.homes import Home

pytestmark = pytest.mark.xdist_group("cli")

DAY = "2024-10-19"  # not loaded yet


@pytest.mark.parametrize("largest_file", [0, 2_000, 40_000, 400_000, 2_000_000])
def test_a_run_on_a_full_disk(lake: Home, largest_file: int) -> None:
    before = lake.seen()
    done = lake.load(DAY, DAY, largest_file=largest_file)
    assert done.code == 1
    (sentence,) = done.sentence.splitlines()
    assert sentence == ""
    assert lake.seen() == before


def test_the_run_after_it(lake: Home) -> None:
    assert lake.load(DAY, DAY, largest_file=40_000).code == 1
    done = lake.load(DAY, DAY)
    assert done.code == 0, done.err
    status = lake.status()
    assert status["main"] == status["published"]
    days = lake.rows("select reading_date, reading_count from marts.mrt_glucose_overview")
    assert {day["reading_date"]: day["reading_count"] for day in days}[DAY] > 200
