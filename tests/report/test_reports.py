"""The step and the command: which pages are written, where, and what happens when one cannot be."""

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.errors import InputError, ReportError
from include.report import files, page
from include.report.files import VERSION, page_path, shows, write_page
from include.report.marts import SiteMarts
from include.run import reports
from include.run.reports import make_reports, report_of
from include.serving.postgres import Postgres
from include.settings import Settings
from tests.report import person
from tests.report.published import publish
from tests.report.read_page import Page

OTHER = person.marts(site=person.SITE | {"site_id": "other"})


@pytest.fixture
def pipeline(tables: Postgres, tmp_path: Path) -> Any:
    settings = Settings(_env_file=None, lakehouse_home=tmp_path / "home")
    return SimpleNamespace(postgres=tables, settings=settings)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that say of whom and of which version they are, and nothing else."""

    def render(of: SiteMarts) -> str:
        return f"{of.site['site_id']} {VERSION.format(of.version)}"

    monkeypatch.setattr(page, "render", render)


def pages(pipeline: Any) -> dict[str, str]:
    folder = pipeline.settings.lakehouse_home / "reports"
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*"))}


def test_every_site_gets_a_page_that_only_its_owner_reads(pipeline: Any, quickly: None) -> None:
    publish(pipeline.postgres, OTHER, person.marts())
    assert make_reports(pipeline) == {"version": person.marts().version, "pages": ["home.html", "other.html"]}
    assert list(pages(pipeline)) == ["home.html", "other.html"]
    assert pages(pipeline)["home.html"].startswith("home ")
    folder = pipeline.settings.lakehouse_home / "reports"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_pages_are_made_again_when_another_version_is_published(pipeline: Any) -> None:
    publish(pipeline.postgres, person.marts())
    make_reports(pipeline)
    assert make_reports(pipeline)["pages"] == []
    publish(pipeline.postgres, person.marts(version="the next", period=person.period(avg_glucose_mg_dl=99.0)))
    assert make_reports(pipeline)["pages"] == ["home.html"]
    assert Page(pages(pipeline)["home.html"]).of("statistic")["avg_glucose_mg_dl"] == "99 mg/dL"


def test_pages_of_a_site_that_is_gone_are_removed_and_nothing_else(pipeline: Any, quickly: None) -> None:
    publish(pipeline.postgres, OTHER, person.marts())
    make_reports(pipeline)
    home = pipeline.settings.lakehouse_home
    write_page(page_path(home, "other", 90), "a longer period")
    (home / "reports" / "My notes.html").write_text("mine")
    publish(pipeline.postgres, person.marts(version="the next"))
    make_reports(pipeline)
    assert list(pages(pipeline)) == ["My notes.html", "home.html"]


def test_a_period_that_was_asked_for_is_kept_up_to_date(pipeline: Any, quickly: None) -> None:
    publish(pipeline.postgres, person.marts())
    home = pipeline.settings.lakehouse_home
    quarter = page_path(home, "home", 90)
    make_reports(pipeline)
    write_page(quarter, VERSION.format("an older one"))
    assert make_reports(pipeline)["pages"] == ["home.90-days.html"]
    assert shows(quarter, person.marts().version)
    assert make_reports(pipeline)["pages"] == []


def test_nothing_published_makes_nothing(pipeline: Any) -> None:
    assert make_reports(pipeline) == {"version": None, "pages": []}
    assert not pipeline.settings.lakehouse_home.exists()


def test_nothing_published_any_more_leaves_the_last_pages(pipeline: Any, quickly: None) -> None:
    publish(pipeline.postgres, OTHER, person.marts())
    make_reports(pipeline)
    last = pages(pipeline)
    with pipeline.postgres.transaction() as connection:
        connection.execute("delete from ops.publication")
    assert make_reports(pipeline) == {"version": None, "pages": []}
    assert pages(pipeline) == last
    assert list(last) == ["home.html", "other.html"]


def test_one_that_fails_is_named_and_does_not_stop_the_others(
    pipeline: Any, quickly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(pipeline.postgres, OTHER, person.marts())
    make_report = reports.make_report

    def failing(postgres: Postgres, site_id: str, days: int, path: Path) -> None:
        if site_id == "home":
            raise ZeroDivisionError("of course")
        make_report(postgres, site_id, days, path)

    monkeypatch.setattr(reports, "make_report", failing)
    with pytest.raises(ReportError, match=r"home\.html: ZeroDivisionError: of course"):
        make_reports(pipeline)
    assert list(pages(pipeline)) == ["other.html"]


def test_a_page_that_cannot_be_written_leaves_the_last_one(pipeline: Any, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ReportError, match=f"{folder} cannot be written"):
        write_page(folder, "a page")
    with pytest.raises(ReportError, match="no/such/place cannot be written"):
        write_page(tmp_path / "no" / "such" / "place", "a page")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"]


def test_which_version_a_page_shows_is_read_from_it(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert not shows(path, "v1")
    path.write_text('<meta name="lakehouse-version" content="v10">')
    assert shows(path, "v10")
    assert not shows(path, "v1")


def test_no_two_pages_share_a_name(tmp_path: Path) -> None:
    assert page_path(tmp_path, "a-90-days") != page_path(tmp_path, "a", 90)
    write = tmp_path / "reports"
    write.mkdir()
    for path in (page_path(tmp_path, "b"), page_path(tmp_path, "a", 90), write / "X.html"):
        path.write_text("")
    assert files.pages(tmp_path) == [("a", 90), ("b", 14)]


def test_the_command_needs_a_name_where_there_are_two(
    pipeline: Any, quickly: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "own_postgres", lambda _: pipeline.postgres)
    publish(pipeline.postgres, person.marts())
    out = tmp_path / "mine.html"
    assert report_of(pipeline.settings, lambda _: None, None, 14, out) == out
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not pipeline.settings.lakehouse_home.exists()
    publish(pipeline.postgres, OTHER, person.marts())
    with pytest.raises(InputError, match="--site: home, other"):
        report_of(pipeline.settings, lambda _: None, None, 14, None)
    assert report_of(pipeline.settings, lambda _: None, "other", 14, None) == page_path(
        pipeline.settings.lakehouse_home, "other"
    )
