"""What cannot be used is refused at once: one sentence, exit code 2 (input, settings) or 1, nothing made."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.homes import Home
from tests.nightscout.misbehaving import answer, misbehaving_server

URL = "http://127.0.0.1:9"  # nothing answers there
SECRET = "canary-5e4d3c2b1a0f9876"
TOMORROW = datetime.now(UTC).date() + timedelta(days=2)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--start", "2024-02-30"), "START is not a date: '2024-02-30'"),
        (("--end", "yesterday"), "END is not a date: 'yesterday'"),
        (("--start", ""), "START is not a date"),
        (("--start", "2024-10-31", "--end", "2024-10-01"), "ends (2024-10-01) before it starts (2024-10-31)"),
        (("--start", "1999-12-31", "--end", "2024-10-01"), "1999-12-31 lies before 2000-01-01"),
        (("--end", "0001-01-05"), "lies before 2000-01-01"),
        (("--start", f"{TOMORROW}"), f"{TOMORROW} lies in the future"),
    ],
)
def test_days_that_cannot_be_loaded(empty: Home, arguments: tuple[str, ...], named: str) -> None:
    done = empty.lakehouse("run", *arguments)
    assert (done.code, done.out) == (2, "")
    (sentence,) = done.sentence.splitlines()
    assert named in sentence
    assert not empty.path.exists()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"NIGHTSCOUT_URL": URL, "NIGHTSCOUT_TIME_ZONE": "Europe/Atlantis"}, "Europe/Atlantis"),
        ({"NIGHTSCOUT_URL": URL}, "NIGHTSCOUT_TIME_ZONE is missing"),
        ({"NIGHTSCOUT_TIME_ZONE": "Europe/Berlin"}, "NIGHTSCOUT_URL is missing"),
        (
            {"NIGHTSCOUT_URL": f"http://me:{SECRET}@site.example", "NIGHTSCOUT_TIME_ZONE": "Etc/UTC"},
            "NIGHTSCOUT_URL holds a secret",
        ),
        (
            {"NIGHTSCOUT_URL": f"http://site.example?token={SECRET}", "NIGHTSCOUT_TIME_ZONE": "Etc/UTC"},
            "NIGHTSCOUT_URL holds a secret",
        ),
        ({"NIGHTSCOUT_URL": "site.example", "NIGHTSCOUT_TIME_ZONE": "Etc/UTC"}, "is no address of a site"),
        (
            {
                "NIGHTSCOUT_URL": URL,
                "NIGHTSCOUT_TIME_ZONE": "Etc/UTC",
                "NIGHTSCOUT_TOKEN": SECRET,
                "NIGHTSCOUT_API_SECRET": SECRET,
            },
            "NIGHTSCOUT_TOKEN or NIGHTSCOUT_API_SECRET, not both",
        ),
        (
            {"NIGHTSCOUT_URL": URL, "NIGHTSCOUT_TIME_ZONE": "Etc/UTC", "NIGHTSCOUT_SITE": "My Site"},
            "NIGHTSCOUT_SITE: 'My Site' is no site id",
        ),
        (
            {"NIGHTSCOUT_URL": URL, "NIGHTSCOUT_TIME_ZONE": "Etc/UTC", "NIGHTSCOUT_SITE": "demo"},
            "kept for the demo site",
        ),
        ({"NIGHTSCOUT_TARGETS": "strict"}, "NIGHTSCOUT_TARGETS"),
        ({"NIGHTSCOUT_UNITS": "mmol"}, "NIGHTSCOUT_UNITS"),
        ({"LAKEHOUSE_PROFILE": "snowflake"}, "LAKEHOUSE_PROFILE"),
        ({"LOOKBACK_DAYS": "three"}, "LOOKBACK_DAYS"),
        ({"HEAL_DAYS": "-1"}, "HEAL_DAYS"),
        ({"MAX_QUARANTINE_PCT": "101"}, "MAX_QUARANTINE_PCT"),
        ({"STAGE_RETENTION_DAYS": "0"}, "STAGE_RETENTION_DAYS"),
        ({"LAKEHOUSE_POSTGRES_PORT": "99999"}, "LAKEHOUSE_POSTGRES_PORT"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_settings_that_cannot_be_used(empty: Home, settings: dict[str, str], named: str) -> None:
    done = empty.lakehouse("run", **settings)
    assert (done.code, done.out) == (2, "")
    (sentence,) = done.sentence.splitlines()
    assert named in sentence
    assert SECRET not in sentence
    assert not empty.path.exists()


def test_the_zone_that_the_site_itself_names_is_a_hint(empty: Home) -> None:
    with misbehaving_server() as site:
        profile = '[{"defaultProfile": "d", "store": {"d": {"timezone": "Europe/Paris"}}}]'
        site.replies(answer(profile))
        done = empty.lakehouse("run", NIGHTSCOUT_URL=site.url)
    assert done.code == 2
    assert "'Europe/Paris'" in done.sentence


@pytest.mark.parametrize("listed", ["", "- id: anna", "- {id: A, connection: a, zone: Etc/UTC}", "{"])
def test_a_sites_file_that_cannot_be_used(empty: Home, listed: str) -> None:
    Path(empty.settings["SITES_FILE"]).write_text(listed)
    done = empty.lakehouse("run")
    assert (done.code, done.out) == (2, "")
    assert empty.settings["SITES_FILE"] in done.sentence
    assert not empty.path.exists()


@pytest.mark.parametrize(
    "arguments", [("run",), ("shell",), ("up",), ("connect",), ("status",), ("dbt", "--", "ls"), ("clean",)]
)
def test_a_home_that_cannot_be_written(empty: Home, arguments: tuple[str, ...]) -> None:
    in_the_way = empty.path.with_name("a file")
    in_the_way.write_text("not a folder")
    home = in_the_way if arguments == ("clean",) else in_the_way / "lakehouse"
    done = empty.lakehouse(*arguments, LAKEHOUSE_HOME=str(home))
    if arguments == ("clean",):
        assert in_the_way.exists()
    (sentence,) = done.sentence.splitlines()
    assert done.code == 1
    assert str(in_the_way) in sentence
    assert "LAKEHOUSE_HOME" in sentence
    assert in_the_way.read_text() == "not a folder"


def test_a_port_in_use_for_postgres(empty: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = empty.lakehouse("connect", LAKEHOUSE_POSTGRES_PORT=port)
    assert done.code == 1
    assert f"port {port} cannot be used" in done.sentence
    assert "LAKEHOUSE_POSTGRES_PORT" in done.sentence
    assert empty.lakehouse("connect").code == 0  # on a free port it goes on from there


def test_a_port_in_use_for_airflow(empty: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = empty.lakehouse("up", LAKEHOUSE_AIRFLOW_PORT=port)
    assert done.code == 1
    assert f"Port {port}" in done.sentence
    assert "LAKEHOUSE_AIRFLOW_PORT" in done.sentence


def test_the_demo_site_is_never_loaded_beside_real_data(lake: Home) -> None:
    before = lake.seen()
    nobody = dict.fromkeys(("NIGHTSCOUT_URL", "NIGHTSCOUT_API_SECRET", "NIGHTSCOUT_TIME_ZONE"), "")
    done = lake.load("2024-10-15", "2024-10-15", settings=nobody)
    assert done.code == 1
    assert "holds data of home" in done.sentence
    assert lake.seen() == before


@pytest.mark.parametrize("arguments", [("status",), ("sql", "select 1"), ("history",), ("branch", "list")])
def test_a_lake_of_a_newer_program_is_left_alone(lake: Home, arguments: tuple[str, ...]) -> None:
    mark = lake.path / "lake" / "format"
    written = mark.read_text()
    mark.write_text("999\n")
    try:
        done = lake.lakehouse(*arguments)
        assert (done.code, done.out) == (1, "")
        assert "has format 999" in done.sentence
        assert "update the program" in done.sentence
    finally:
        mark.write_text(written)


@pytest.mark.parametrize(
    "arguments",
    [("no-such-command",), ("sql",), ("run", "--first", "2024-10-01"), ("branch", "drop"), ("site", "move")],
)
def test_what_is_no_command_is_explained(empty: Home, arguments: tuple[str, ...]) -> None:
    done = empty.lakehouse(*arguments)
    assert done.code == 2
    assert "Usage" in done.sentence
    assert not empty.path.exists()
