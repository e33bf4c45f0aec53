"""The pages of reports that the API server mounts; test_reports_in_airflow.py asks a real one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.orchestration.report_pages import DAG, HEADERS, PREFIX, VIEW, ReportPages
from include.report.files import make_folder, page_path, write_page

PAGE = "<!DOCTYPE html><p>the report of home</p>"


class Manager:
    """An auth manager that knows who may see which Dag."""

    def __init__(self) -> None:
        self.may_see: set[str] = {DAG}

    def is_authorized_dag(self, *, method: str, details: Any, user: str, **_: Any) -> bool:
        assert (method, user) == ("GET", "somebody")
        return details.id in self.may_see


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Manager:
    from airflow.api_fastapi.core_api import security

    manager = Manager()
    monkeypatch.setattr(security, "get_auth_manager", lambda: manager)
    return manager


@pytest.fixture
def pages(
    tmp_path: Path, airflow_database: None, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> ReportPages:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    make_folder(tmp_path)
    write_page(page_path(tmp_path, "home"), PAGE)
    write_page(page_path(tmp_path, "home", 90), "another period")
    (tmp_path / "secret.html").write_text("not to be seen")
    return ReportPages()


@pytest.fixture
def browser(pages: ReportPages) -> Iterator[Any]:
    """Somebody who is logged in."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.testclient import TestClient

    pages.app.dependency_overrides[get_user] = lambda: "somebody"
    with TestClient(pages) as client:
        yield client


def test_the_list_leads_to_each_page(browser: Any) -> None:
    answer = browser.get("/")
    assert answer.status_code == 200
    assert re.findall(r'href="(.*?)"', answer.text) == ["home/14", "home/90"]
    assert browser.get("/home/14").text == PAGE
    assert browser.get("/home/90").text == "another period"


def test_without_a_page_the_list_says_so(browser: Any, tmp_path: Path) -> None:
    page_path(tmp_path, "home").unlink()
    page_path(tmp_path, "home", 90).unlink()
    assert "There is none yet" in browser.get("/").text


@pytest.mark.parametrize(
    "path",
    [
        "home",
        "nobody/14",
        "home/30",
        "home/014",
        "home.90-days/14",
        "../secret/14",
        "..%2fsecret/14",
        "%2e%2e%2fsecret/14",
        "home.html",
        "HOME/14",
        "openapi.json",
    ],
)
def test_nothing_but_the_pages_can_be_asked_for(browser: Any, path: str) -> None:
    answer = browser.get(f"/{path}")
    assert answer.status_code == 404
    assert "not to be seen" not in answer.text


def test_every_answer_forbids_scripts_and_is_not_kept(browser: Any) -> None:
    for path in ("/", "/home/14", "/nobody/14"):
        answer = browser.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "script" not in HEADERS["Content-Security-Policy"]
    assert HEADERS["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/", "/home/14", "/nobody/14"])
def test_who_may_not_see_the_dag_sees_no_report(browser: Any, manager: Manager, path: str) -> None:
    manager.may_see.clear()
    assert browser.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/", "/home/14", "/nobody/14"])
def test_who_is_not_logged_in_is_refused(pages: ReportPages, path: str) -> None:
    from fastapi.testclient import TestClient

    with TestClient(pages) as client:
        answer = client.get(path)
    assert answer.status_code == 401
    assert "home" not in answer.text


def test_the_plugin_registers_them(airflow_database: None) -> None:
    from airflow import plugins_manager

    apps, _ = plugins_manager.get_fastapi_plugins()
    assert (PREFIX, "ReportPages") in [(app["url_prefix"], type(app["app"]).__name__) for app in apps]
    views, _ = plugins_manager._get_ui_plugins()
    assert VIEW in views
