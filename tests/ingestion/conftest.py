"""A stage on local files and answers to put in."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from include.ingestion.stage import Stage, StagedRead
from include.nightscout.client import Answer
from include.nightscout.windows import Collection, Window
from tests.ingestion.model import FakeSite, Lake, write_parquet

FETCHED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
StageDocuments = Callable[..., StagedRead]


@pytest.fixture
def lake(tmp_path: Path, home: FakeSite, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake of the one site that the module calls `home`."""
    monkeypatch.setattr("include.ingestion.stage.load_parquet", write_parquet)
    return Lake(tmp_path, home)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(LocalFileSystem(), f"{tmp_path}/stage")


@pytest.fixture
def stage_documents(stage: Stage) -> StageDocuments:
    """Stages documents (dicts, or texts as they are) as one window of a site."""

    def put(
        documents: list[Any],
        collection: str = "entries",
        fetched_at: datetime = FETCHED_AT,
        branch: str = "run-1",
    ) -> StagedRead:
        texts = tuple(one if isinstance(one, str) else json.dumps(one) for one in documents)
        window = Window(
            "home",
            Collection(collection),
            datetime(2026, 5, 1, tzinfo=UTC),
            datetime(2026, 6, 1, tzinfo=UTC),
        )
        return stage.write(
            window,
            Answer(f"/api/v1/{collection}.json?count=0", texts, fetched_at),
            kind="window",
            origin="https://ns.example",
            run_id="manual__2026-06-01T12:00:00+00:00",
            branch=branch,
        )

    return put
