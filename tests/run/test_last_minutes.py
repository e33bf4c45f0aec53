"""A run in the last five minutes of a local day: every slot has begun, and the day has not ended."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.server import serve
from include.run.pipeline import Facts, Pipeline
from include.run.transform import ensure_manifest
from include.serving.lease import Owner
from include.serving.postgres import stop
from include.settings import Settings
from tests.postgres_fixture import embedded_settings
from tests.run.steps import day, run

NOW = datetime(2024, 10, 15, 21, 57, tzinfo=UTC)  # three minutes to midnight in Berlin


class LateInTheEvening(Pipeline):
    """One whose lease was taken at that time."""

    def take_lease(self, owner: Owner, has_ended: Callable[[Owner], bool]) -> Facts | None:
        lease = super().take_lease(owner, has_ended)
        return lease | {"taken_at": NOW.isoformat()} if lease else None


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with serve(lambda: NOW) as url:
        site = {"nightscout_url": url, "nightscout_time_zone": DEMO_ZONE}
        settings = embedded_settings(tmp_path / "home").model_copy(update=site)
        try:
            yield settings
        finally:
            stop(settings)


def test_the_open_day_expects_all_its_slots(settings: Settings) -> None:
    ensure_manifest(settings)
    pipeline = LateInTheEvening(settings)
    run(pipeline, day("2024-10-15"), "evening")
    days = pipeline.lakehouse.at("main").query(
        "select reading_date, expected_count, slot_count, is_ended from silver.int_local_days"
        " where reading_date >= date '2024-10-15'"
    )
    assert days.to_pylist() == [
        {"reading_date": date(2024, 10, 15), "expected_count": 288, "slot_count": 288, "is_ended": False}
    ]
