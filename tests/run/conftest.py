"""A pipeline over the demo site, in a home of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.server import serve
from include.run.pipeline import Pipeline
from include.serving.postgres import stop
from include.settings import Settings
from tests.free_ports import free_port

NOW = datetime(2024, 10, 20, 12, tzinfo=UTC)


@pytest.fixture
def site_url() -> Iterator[str]:
    """Where the site of the pipeline answers."""
    with serve(lambda: NOW) as url:
        yield url


@pytest.fixture
def pipeline(site_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """Its Postgres is stopped after the test."""
    monkeypatch.setattr("include.run.pipeline.check_manifest", lambda _: None)  # made where a test builds
    settings = Settings(
        _env_file=None,
        lakehouse_home=tmp_path / "home",
        lakehouse_postgres_port=free_port(),
        nightscout_url=site_url,
        nightscout_time_zone=DEMO_ZONE,
        sites_file=tmp_path / "sites.yaml",
    )
    try:
        yield Pipeline(settings)
    finally:
        stop(settings)
