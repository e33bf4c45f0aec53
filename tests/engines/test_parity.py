"""Every table of every layer, and every published one, is the same on both profiles."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from include.nightscout.demo import DEMO_ZONE
from include.run.pipeline import Pipeline
from include.run.transform import model_schemas
from include.schemas import RAW_TABLES
from include.settings import Settings
from tests.engines.profiles import (
    Clock,
    Site,
    both_profiles,
    differences,
    exported,
    lake_tables,
    published_tables,
    run_on,
)
from tests.run.steps import days

pytestmark = pytest.mark.stack

ZONES = {
    "patient_a": "America/Los_Angeles",
    "patient_b": "America/New_York",
    "patient_d": "America/Los_Angeles",
    "patient_j": "Asia/Tokyo",
    "sensor_d": "America/Los_Angeles",
    "trio_dynisf": "America/New_York",
}
NOW = datetime(2026, 4, 21, 12, tzinfo=UTC)
Pair = tuple[Pipeline, Pipeline]


def the_demo_site(stack: Settings, folder: Path, _: Path) -> Iterator[Pair]:
    """Days around the end of summer time; then some of them again."""
    with both_profiles(stack, folder, {}, Clock(NOW)) as pair:
        run_on(pair, days("2024-10-10", "2024-11-20"), "some weeks")
        run_on(pair, days("2024-11-18", "2024-11-22"), "again, and more")
        yield pair


def a_year_and_the_exports(stack: Settings, folder: Path, test_data: Path) -> Iterator[Pair]:
    """A simulated year beside all real exports; two days later some has been edited, deleted, added."""
    sites = {name: Site(zone, exported(test_data / "ns_real", name)) for name, zone in ZONES.items()}
    clock = Clock(NOW)
    with both_profiles(stack, folder, sites | {"year": Site(DEMO_ZONE)}, clock) as pair:
        run_on(pair, days("2025-04-21", "2026-04-21"), "year")
        clock.now += timedelta(days=2)
        run_on(pair, days("2026-04-18", "2026-04-23"), "two days later")
        yield pair


@pytest.fixture(
    scope="module", params=[the_demo_site, a_year_and_the_exports], ids=lambda case: case.__name__
)
def pair(
    request: pytest.FixtureRequest, stack: Settings, tmp_path_factory: pytest.TempPathFactory, test_data: Path
) -> Iterator[Pair]:
    yield from request.param(stack, tmp_path_factory.mktemp("parity"), test_data)


@pytest.mark.parametrize("tables", [lake_tables, published_tables])
def test_both_profiles_hold_the_same(
    pair: Pair, tables: Callable[[Pipeline], dict[str, pl.DataFrame]]
) -> None:
    embedded, trino = map(tables, pair)
    assert set(embedded) == set(trino)
    differing = {name: differences(table, trino[name]) for name, table in embedded.items()}
    assert {name: found for name, found in differing.items() if found} == {}
    assert embedded["mrt_glucose_overview" if tables is published_tables else "raw.glucose_entries"].height


def test_nothing_is_left_out_of_the_comparison(pair: Pair) -> None:
    embedded, trino = pair
    assert len(lake_tables(trino)) == len(RAW_TABLES) + len(model_schemas(trino.settings))
    assert {"dim_date", "mrt_glucose_overview", "fct_daily_glucose_metrics"} <= set(
        published_tables(embedded)
    )
