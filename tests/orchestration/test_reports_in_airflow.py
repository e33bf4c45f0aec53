"""The reports in a live Airflow: refused without its login, shown in its menu with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from include.report.files import make_folder, page_path, write_page
from include.report.page import render
from tests.orchestration.live_airflow import LiveAirflow, live_airflow
from tests.report import person
from tests.report.headless import look_at

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAirflow]:
    """An Airflow whose home holds a report."""
    with live_airflow(tmp_path_factory.mktemp("live")) as live:
        make_folder(live.settings.lakehouse_home)
        write_page(page_path(live.settings.lakehouse_home, "home"), render(person.marts()))
        with live.service():
            yield live


@pytest.mark.parametrize("path", ["nightscout/", "nightscout/home/14", "nightscout/nobody/14"])
def test_who_is_not_logged_in_is_refused_as_by_the_api(live: LiveAirflow, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer no-such-token"}):
        answer = requests.get(live.address(path), headers=headers, timeout=60)
        api = requests.get(live.address("api/v2/dags"), headers=headers, timeout=60)
        assert answer.status_code == api.status_code in (401, 403)
        assert "Glucose" not in answer.text


def test_who_is_logged_in_sees_the_page_in_a_frame_of_the_menu(live: LiveAirflow, tmp_path: Path) -> None:
    views = [view for plugin in live.api("GET", "plugins")["plugins"] for view in plugin["external_views"]]
    (view,) = [view for view in views if view["href"] == "/nightscout/"]
    assert (view["name"], view["destination"]) == ("Glucose reports", "nav")

    cookie = (live.address(""), "_token", live.token)
    listed = look_at(live.address("nightscout/"), tmp_path, *cookie)
    assert "home" in listed.desktop["text"]
    report = look_at(live.address("nightscout/home/14"), tmp_path, *cookie)
    assert "Glucose report: home" in report.desktop["text"]
    assert (listed.problems, report.problems) == ([], [])
