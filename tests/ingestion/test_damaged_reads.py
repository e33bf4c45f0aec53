"""A damaged staged read stops its own site only, whatever of it is damaged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.errors import StageError
from include.ingestion.stage import Stage, StagedRead
from include.ingestion.validate import validate
from include.ingestion.validation_report import validate_reads
from include.nightscout.windows import EPOCH, Collection, Window
from tests.ingestion.model import START, Clock, FakeSite, Lake, entry, window_of, write_parquet

HOME, OTHER = window_of(0, 24), window_of(0, 24, site_id="other")
LATER = {site_id: window_of(24, 48, site_id=site_id) for site_id in ("home", "other")}


def folder_of(lake: Lake, read: StagedRead, root: Path) -> Path:
    return root / "stage" / read.window.site_id / str(read.window.collection) / read.read_id


def no_json(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"read_id": "')


def nothing(folder: Path) -> None:
    (folder / "manifest.json").write_text("null")


def of_another_read(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["window"]["site_id"] = "home"
    (folder / "manifest.json").write_text(json.dumps(manifest))


def a_folder(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").mkdir()


def other_bytes(folder: Path) -> None:
    (folder / "documents.parquet").write_bytes(b"PAR1")


def other_count(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"document_count": 99}))


def gone(folder: Path) -> None:
    (folder / "documents.parquet").unlink()


def unreadable(folder: Path) -> None:
    (folder / "documents.parquet").unlink()
    (folder / "documents.parquet").mkdir()


OF_MANIFEST = [no_json, nothing, of_another_read, a_folder]
OF_DOCUMENTS = [other_bytes, other_count, gone, unreadable]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr("include.ingestion.stage.load_parquet", write_parquet)
    clock = Clock()
    sites = FakeSite(clock), FakeSite(clock, "other")
    for site in sites:
        site.put(entry("e1", START))
    return Lake(tmp_path, *sites)


@pytest.fixture
def left_over(lake: Lake, tmp_path: Path) -> Path:
    """Where a read of the site `other` lies, of a run that failed."""
    lake.begin()
    (read,) = lake.read(OTHER)
    return folder_of(lake, read, tmp_path)


@pytest.mark.parametrize("damage", [*OF_MANIFEST, *OF_DOCUMENTS])
def test_the_site_is_left_out_and_the_other_goes_on(
    lake: Lake, left_over: Path, damage: Callable[[Path], None]
) -> None:
    damage(left_over)
    lake.begin()
    lake.read(HOME, LATER["other"])
    report = lake.merge()
    assert sorted(report.counts) == ["home"]
    assert list(report.left_out) == ["other"]
    assert str(left_over) in report.left_out["other"]
    assert "remove" in report.left_out["other"]
    assert lake.problems() == []
    again = lake.merge()
    assert (again.left_out, again.counts) == (report.left_out, report.counts)


def test_a_damaged_manifest_is_told_when_the_site_has_no_other_read(lake: Lake, left_over: Path) -> None:
    no_json(left_over)
    lake.begin()
    lake.read(HOME)
    assert list(lake.merge().left_out) == ["other"]
    assert list(lake.merge().left_out) == ["other"]  # by a second try too


def test_once_the_folder_is_removed_the_site_goes_on(lake: Lake, left_over: Path) -> None:
    no_json(left_over)
    lake.run(HOME, LATER["other"])
    (left_over / "manifest.json").unlink()
    report = lake.run(HOME, OTHER)
    assert (report.left_out, sorted(report.counts)) == ({}, ["home", "other"])


def test_a_damaged_read_of_a_site_that_is_not_configured_stops_nobody(lake: Lake, left_over: Path) -> None:
    no_json(left_over)
    lake.sites = lake.sites[:1]
    report = lake.run(HOME)
    assert (report.left_out, sorted(report.counts)) == ({}, ["home"])


def test_a_damaged_read_that_was_merged_stops_nobody(lake: Lake, tmp_path: Path) -> None:
    lake.run(HOME, OTHER)
    (read,) = [read for read in lake.stage.reads() if read.window.site_id == "other"]
    no_json(folder_of(lake, read, tmp_path))
    assert lake.run(HOME, OTHER).left_out == {}


@pytest.mark.parametrize("damage", [*OF_MANIFEST, *OF_DOCUMENTS])
def test_every_other_read_is_judged(lake: Lake, left_over: Path, damage: Callable[[Path], None]) -> None:
    lake.read(HOME)
    damage(left_over)
    report = validate_reads(lake.stage, {"home", "other"}, merged=set())
    assert (report["reads"], report["received"], report["accepted"]) == (1, 1, 1)
    assert list(report["damaged"]) == ["other"]
    (sentence,) = report["damaged"]["other"]
    assert str(left_over) in sentence


def test_only_reads_of_configured_sites_are_judged(lake: Lake, left_over: Path) -> None:
    lake.read(HOME)
    no_json(left_over)
    report = validate_reads(lake.stage, {"home"}, merged=set())
    assert (report["reads"], report["damaged"]) == (1, {})
    assert not (left_over / "validation.json").exists()


@pytest.mark.parametrize("damage", OF_DOCUMENTS)
def test_damaged_documents_are_named(
    stage: Stage, stage_documents: Any, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    read = stage_documents([{"_id": "a"}])
    damage(tmp_path / "stage" / "home" / "entries" / read.read_id)
    (read,) = stage.reads()
    with pytest.raises(StageError, match=r"documents\.parquet .*remove the folder") as caught:
        validate(stage, read)
    # of a window in UTC that ends when the second day starts
    assert str(caught.value).endswith(
        ", or, if it is older than HEAL_DAYS, make run START=2026-05-01 END=2026-06-01"
    )


@pytest.mark.parametrize("damage", OF_MANIFEST)
def test_a_damaged_manifest_is_named_with_the_days_of_its_window(
    lake: Lake, left_over: Path, damage: Callable[[Path], None]
) -> None:
    damage(left_over)
    (broken,) = lake.stage.damaged()
    first, last = OTHER.start.date(), OTHER.end.date()
    assert broken.reason.endswith(f", or, if it is older than HEAL_DAYS, make run START={first} END={last}")


def test_a_damaged_read_of_profiles_is_read_again_by_any_run(lake: Lake, tmp_path: Path) -> None:
    window = Window("home", Collection.PROFILES, EPOCH, START)
    lake.begin()
    (read,) = lake.read(window)
    no_json(folder_of(lake, read, tmp_path))
    (broken,) = lake.stage.damaged()
    assert broken.reason.endswith(": remove the folder, the next run reads the window again")
