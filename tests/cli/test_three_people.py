"""Three people in one lake, each with zones, targets and units of their own; none is held back by another."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import requests

from include.cli.summary import show_summary
from include.glucose import MG_DL_PER_MMOL_L
from tests.cli.homes import LATE, Commands, Home
from tests.cli.sites import Front, fronted_site
from tests.nightscout.misbehaving import Reply, Request, answer

SITES = """
- {id: berlin, connection: berlin, zone: Europe/Berlin, units: mmol/L}
- id: traveller
  connection: traveller
  zones: [{zone: Europe/London}, {zone: America/New_York, from: 2024-10-17}]
  targets: pregnancy
- {id: adelaide, connection: adelaide, zone: Australia/Adelaide, targets: older_or_high_risk}
"""
# In UTC, written down by hand: +02:00; +01:00, from the 17th -04:00; +10:30. The flight day has 29 hours.
STARTS = {
    "berlin": ("2024-10-14T22:00", "2024-10-15T22:00", "2024-10-16T22:00", "2024-10-17T22:00"),
    "traveller": ("2024-10-14T23:00", "2024-10-15T23:00", "2024-10-17T04:00", "2024-10-18T04:00"),
    "adelaide": ("2024-10-14T13:30", "2024-10-15T13:30", "2024-10-16T13:30", "2024-10-17T13:30"),
}
DAYS = (date(2024, 10, 15), date(2024, 10, 16), date(2024, 10, 17))
OVERVIEW = "select * from marts.mrt_glucose_overview where site_id = '{}' order by reading_date"


@dataclass
class People:
    """Their lake and the fronts of their sites."""

    lake: Home
    fronts: dict[str, Front]


@pytest.fixture(scope="module")
def people(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Three days of each, loaded in one run."""
    with ExitStack() as stack:
        fronts = {site_id: stack.enter_context(fronted_site()) for site_id in STARTS}
        path = tmp_path_factory.mktemp("three") / "lakehouse"
        listed = Path(path.with_name("three.yaml"))
        listed.write_text(SITES)
        settings = {"SITES_FILE": str(listed)}
        for site_id, front in fronts.items():
            connection = {"conn_type": "http", "host": front.url}
            settings[f"AIRFLOW_CONN_{site_id.upper()}"] = json.dumps(connection)
        lake = Home(commands, path, settings)
        stack.callback(lake.remove)
        loaded = lake.load(str(DAYS[0]), str(DAYS[-1]))
        assert loaded.code == 0, loaded.err
        yield People(lake, fronts)


def test_the_summary_of_a_run_shows_each_in_their_own_units(
    people: People, capsys: pytest.CaptureFixture[str]
) -> None:
    show_summary(people.lake.as_settings())
    parts = capsys.readouterr().out.split("Site ")[1:]
    tables = {part.split()[0]: part for part in parts}
    of_person = {"berlin": ("mean mmol/L", "3.9-10.0 %", "below 3.9 %")}
    for site_id in STARTS:
        for head in of_person.get(site_id, ("mean mg/dL", "70-180 %", "below 70 %")):
            assert f" {head} " in tables[site_id]
    (row, *_) = people.lake.rows(OVERVIEW.format("berlin"))
    assert f" {row['avg_glucose_mg_dl'] / MG_DL_PER_MMOL_L:.1f} " in tables["berlin"].splitlines()[4]


def slots(front: Front, start: str, end: str) -> int:
    """5-minute slots with a reading, asked of the site itself."""
    first, last = (
        int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000) for at in (start, end)
    )
    query = f"find[date][$gte]={first}&find[date][$lt]={last}&count=100000"
    documents = requests.get(f"{front.url}/api/v1/entries.json?{query}", timeout=30).json()
    values = [(each["date"], each.get("sgv")) for each in documents if each.get("type") == "sgv"]
    return len({at // 300_000 for at, sgv in values if isinstance(sgv, int | float) and 20 <= sgv <= 600})


def test_each_has_days_of_their_own(people: People) -> None:
    for site_id, starts in STARTS.items():
        rows = people.lake.rows(OVERVIEW.format(site_id))
        assert [row["reading_date"] for row in rows] == [day.isoformat() for day in DAYS]
        for row, start, end in zip(rows, starts[:-1], starts[1:], strict=True):
            hours = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() / 3600
            assert row["expected_count"] == 12 * hours, (site_id, start)
            assert row["reading_count"] == slots(people.fronts[site_id], start, end) > 100, (site_id, start)
    (flight,) = people.lake.rows(
        OVERVIEW.format("traveller").replace("where", "where expected_count > 288 and")
    )
    assert (flight["reading_date"], flight["expected_count"]) == ("2024-10-16", 29 * 12)


def test_each_has_targets_and_units_of_their_own(people: People) -> None:
    sites = (
        "select site_id, zone, valid_from::text, target_set, display_units, is_current from marts.dim_sites"
    )
    assert set(people.lake.published(sites)) == {
        ("berlin", "Europe/Berlin", "0001-01-01", "standard", "mmol/L", True),
        ("traveller", "Europe/London", "0001-01-01", "pregnancy", "mg/dL", False),
        ("traveller", "America/New_York", "2024-10-17", "pregnancy", "mg/dL", True),
        ("adelaide", "Australia/Adelaide", "0001-01-01", "older_or_high_risk", "mg/dL", True),
    }
    # whatever people are shown, tables hold mg/dL
    assert all(row["avg_glucose_mg_dl"] > 60 for row in people.lake.rows(OVERVIEW.format("berlin")))


def test_outage_and_bad_data_hold_back_nobody_else(people: People) -> None:
    lake, fronts = people.lake, people.fronts
    before = {site_id: lake.rows(OVERVIEW.format(site_id)) for site_id in STARTS}

    def bad(request: Request) -> Reply:
        documents = requests.get(fronts["berlin"].url + request.target, timeout=30).json()
        return answer(json.dumps([{**each, "sgv": "LOW"} for each in documents]))

    fronts["adelaide"].server.replies(answer("", 503))
    fronts["traveller"].server.respond = bad
    done = lake.load("2024-10-17", "2024-10-18", limits=LATE)
    assert done.code == 1
    assert "site adelaide: " in done.sentence
    assert "site traveller: " in done.sentence
    assert "quarantined" in done.sentence
    assert "site berlin" not in done.sentence
    assert [row["reading_date"] for row in lake.rows(OVERVIEW.format("berlin"))] == [
        *(day.isoformat() for day in DAYS),
        "2024-10-18",
    ]
    assert len(lake.published(OVERVIEW.format("berlin"))) == len(DAYS) + 1
    for site_id in ("adelaide", "traveller"):
        assert lake.rows(OVERVIEW.format(site_id)) == before[site_id]
        assert len(lake.published(OVERVIEW.format(site_id))) == len(DAYS)
    (run, *_) = lake.status()["runs"]
    assert (run["outcome"], run["left_out"]) == ("left_out", ["adelaide", "traveller"])
    checked = {row["site_id"] for row in lake.status()["checks"]}
    assert checked == {"", *STARTS}
