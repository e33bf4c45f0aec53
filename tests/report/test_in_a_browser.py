"""The report in a real browser: on a phone, on a desk and on paper."""

from pathlib import Path

import pytest

from include.report.page import render
from tests.report import person
from tests.report.headless import Look, look_at
from tests.report.read_page import NO_NUMBER

pytestmark = pytest.mark.stack

LONG = "a-site-with-an-id-as-long-as-one-may-be-"
PEOPLE = {
    "two weeks": person.marts(),
    "a year, in mmol/L, with a long name": person.marts(
        365, site=person.SITE | {"display_units": "mmol/L", "site_id": LONG}, version=LONG * 2
    ),
    "too little data": person.marts(
        period=person.period(is_sufficient=False, day_count=9, coverage_pct=61.0, gmi_pct=None),
        before=person.empty_period(is_current=False),
        hours_period=person.period(90, is_sufficient=False, day_count=9, coverage_pct=9.4),
        hours=person.hours(reading_count=1),
        overview=person.overview(is_sufficient=False)[:9],
        slots=person.slots()[:2000],
    ),
    "no readings in the period": person.marts(
        period=person.empty_period(),
        before=person.empty_period(is_current=False),
        **dict.fromkeys(("bins", "slots", "events", "treatments", "quality"), ()),
    ),
}


@pytest.fixture(scope="module", params=PEOPLE)
def look(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Look:
    folder: Path = tmp_path_factory.mktemp("look")
    page = folder / "page.html"
    page.write_text(render(PEOPLE[request.param]), encoding="utf-8")
    return look_at(page.as_uri(), folder)


def test_it_fits_a_phone_and_a_desk_and_two_sheets(look: Look) -> None:
    assert (look.phone["width"], look.desktop["width"]) == (390, 1100)
    assert look.phone["beyond"] == look.desktop["beyond"] == []
    assert 1 <= look.sheets("A4") <= 2
    assert 1 <= look.sheets("Letter") <= 2
    assert look.problems == []
    for seen in (look.phone, look.desktop):
        assert "Glucose report" in seen["text"]
        assert seen["titleWidth"] > 100  # pixels
        assert NO_NUMBER.findall(seen["text"]) == []
