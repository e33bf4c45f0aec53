"""Each command of `lakehouse`, as a user meets it, on a small lake."""

import csv
import io
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from include.settings import PROJECT
from tests.cli.conftest import SECRET
from tests.cli.homes import Home, can_write
from tests.cli.sites import BAD, BAD_ID, Front
from tests.nightscout.misbehaving import misbehaving_server


def test_sql_shows_a_table_with_rounded_numbers_and_text_as_it_is(lake: Home) -> None:
    done = lake.lakehouse("sql", "select 2/3 as third, '[/bold] [red]x' as device, null as nothing")
    assert done.code == 0, done.err
    assert "0.67" in done.out
    assert "[/bold] [red]x" in done.out


def test_sql_shows_rows_that_are_too_wide_line_by_line(lake: Home) -> None:
    done = lake.lakehouse("sql", "select * from marts.mrt_glucose_overview order by reading_date limit 2")
    assert "1 of 2" in done.out
    assert "2 of 2" in done.out
    assert sum(" diabetes_management_rating " in line for line in done.out.splitlines()) == 2


def test_sql_gives_programs_everything(lake: Home) -> None:
    query = (
        "select 2/3 as third, 7::hugeint as whole, 1.25 as fraction, null as nothing, 'a,\"b' as text,"
        " timestamptz '2024-10-15 10:00:00.123Z' as instant"
    )
    expected = {
        "third": 2 / 3,
        "whole": 7,
        "fraction": 1.25,
        "nothing": None,
        "text": 'a,"b',
        "instant": "2024-10-15 10:00:00.123000+00:00",
    }
    assert lake.rows(query) == [expected]
    printed = lake.lakehouse("sql", query, "--csv").out
    assert list(csv.DictReader(io.StringIO(printed))) == [
        {name: "" if value is None else str(value) for name, value in expected.items()}
    ]


def test_sql_keeps_every_column_and_the_header_of_no_rows(lake: Home) -> None:
    assert lake.rows("select 1 as a, 2 as a") == [{"a": 1, "a_2": 2}]
    assert lake.lakehouse("sql", "select 1 as a, 2 as b limit 0", "--csv").out == "a,b\n"
    assert lake.rows("select 1 as a limit 0") == []


def test_sql_asks_older_versions(lake: Home) -> None:
    newest, oldest = lake.status()["main"], lake.first_version()
    days = "select distinct cast(reading_date as text) as day from marts.mrt_glucose_overview order by 1"
    before = [row["day"] for row in lake.rows(days, ref=oldest)]
    assert before == ["2024-10-15", "2024-10-16"]
    assert [row["day"] for row in lake.rows(days, ref=newest)] == [*before, "2024-10-17", "2024-10-18"]
    assert lake.rows(days) == lake.rows(days, ref=newest)


@pytest.mark.parametrize(
    "query",
    [
        "delete from marts.mrt_glucose_overview",
        "create table mine as select 1",
        "copy (select 1) to '/tmp/out.csv'",
        "select 1; select 2",
        "attach '/tmp/other.db'",
    ],
)
def test_sql_writes_nothing(lake: Home, query: str) -> None:
    done = lake.lakehouse("sql", query)
    assert done.code == 2
    assert done.sentence.startswith("lakehouse: only a single query can be asked")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("selekt 1", "selekt"),
        ("select * from marts.nothing", "nothing"),
        ("select nothing from marts.dim_date", "nothing"),
        ("select * from read_text('/etc/hostname')", "/etc/hostname"),
    ],
)
def test_sql_says_what_is_wrong_with_a_query(lake: Home, query: str, named: str) -> None:
    done = lake.lakehouse("sql", query)
    assert (done.code, done.out) == (2, "")
    assert done.sentence.startswith("lakehouse: the query cannot be answered: ")
    assert named in done.sentence


def test_sql_names_the_versions_when_there_is_none_of_that_name(lake: Home) -> None:
    done = lake.lakehouse("sql", "select 1", "--ref", "no-such-version")
    assert done.code == 2
    assert "no-such-version" in done.sentence
    assert lake.status()["main"] in done.sentence


def test_status_says_what_there_is(lake: Home, front: Front) -> None:
    assert lake.load("2024-10-17", "2024-10-18").code == 0
    status = lake.status()
    assert status["main"] == status["published"]
    (site,) = status["sites"]
    assert (site["site"], site["origin"], site["quarantined"]) == ("home", front.url, 1)
    (loaded,) = lake.rows("select count(*) as n from raw.glucose_entries where deleted_at is null")
    assert site["entries"] == loaded["n"] > 1000
    told = lake.lakehouse("status")
    assert status["main"] in told.out
    assert "Readers of Postgres see this version." in told.out
    assert len(status["checks"]) == 5 + 7  # of the lake, of its site
    assert {row["version"] for row in status["checks"]} == {status["main"]}
    lines = [line for line in told.out.splitlines() if line.startswith(("  warning: ", "  passed: "))]
    assert len(lines) == len(status["checks"])
    assert lines == sorted(lines, key=lambda line: line.startswith("  passed: "))
    assert "  passed: ledger: 0 problems" in lines
    assert any(line.startswith("  passed: site home, source_read: ") for line in lines)


def test_status_of_nothing_makes_nothing(empty: Home) -> None:
    told = empty.lakehouse("status")
    assert told.code == 0
    assert "nothing was loaded yet; make run" in told.out
    assert empty.status()["main"] is None
    assert not empty.path.exists()


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("history",), "Versions: none"),
        (("branch", "list"), "Branches: none"),
        (("sql", "select 1"), "`make run` loads the first days"),
        (("quarantine", "list"), "`make run` loads the first days"),
        (("rollback", "v1"), "none yet"),
        (("site", "move", "demo"), "nowhere yet"),
        (("clean",), "nothing to remove"),
    ],
)
def test_on_an_empty_home_every_command_says_so_and_makes_nothing(
    empty: Home, arguments: tuple[str, ...], answer: str
) -> None:
    done = empty.lakehouse(*arguments)
    assert answer in done.out + done.sentence
    assert not empty.path.exists()


def test_history_lists_versions_newest_first(lake: Home) -> None:
    versions = lake.lakehouse("history", "--json").rows
    assert [row["version"] for row in versions if row["state"] == "main"] == [lake.status()["main"]]
    assert [row["promoted_at"] for row in versions] == sorted(
        (row["promoted_at"] for row in versions), reverse=True
    )
    printed = lake.lakehouse("history", "--csv").out
    assert [row["version"] for row in csv.DictReader(io.StringIO(printed))] == [
        row["version"] for row in versions
    ]


def test_rollback_shows_readers_the_older_version(lake: Home) -> None:
    main, older = lake.status()["main"], lake.first_version()
    done = lake.lakehouse("rollback", older)
    assert done.code == 0, done.err
    assert f"main is {older} again." in done.out
    assert "pause the Dag first" in done.out
    assert (lake.status()["main"], lake.status()["published"]) == (older, older)
    days = "select count(*) as n from marts.mrt_glucose_overview"
    assert lake.rows(days) == [{"n": 2}]
    assert lake.published(days) == [(2,)]
    assert lake.lakehouse("rollback", main).code == 0
    assert lake.published(days) == [(4,)]


def test_rollback_refuses_what_is_not_kept(lake: Home) -> None:
    before = lake.seen()
    done = lake.lakehouse("rollback", "no-such-version")
    assert done.code == 2
    assert before["main"] in done.sentence
    assert lake.seen() == before


def test_rollback_refuses_what_cannot_be_loaded_again(lake: Home) -> None:
    older = lake.first_version()
    record = lake.path / "lake" / "versions" / older / "version.json"
    written = record.read_text()
    long_ago = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    record.write_text(json.dumps(json.loads(written) | {"promoted_at": long_ago}))
    try:
        before = lake.seen()
        done = lake.lakehouse("rollback", older, STAGE_RETENTION_DAYS="7")
        assert done.code == 2
        assert "STAGE_RETENTION_DAYS (7)" in done.sentence
        assert lake.seen() == before
    finally:
        record.write_text(written)


def test_a_version_cannot_be_dropped_as_a_branch(lake: Home) -> None:
    before = lake.seen()
    for version in before["versions"]:
        done = lake.lakehouse("branch", "drop", version)
        assert done.code == 2
        assert f"{version} is a version" in done.sentence
    unknown = lake.lakehouse("branch", "drop", "no-such-branch")
    assert (unknown.code, "no-such-branch" in unknown.sentence) == (2, True)
    assert lake.seen() == before


def test_dbt_by_hand_leaves_main_alone(lake: Home) -> None:
    before = lake.seen()
    done = lake.lakehouse("dbt", "--", "run", "--quiet", "--select", "dim_date")
    assert done.code == 0, done.err
    (branch,) = lake.lakehouse("branch", "list", "--json").rows
    assert branch["base"] == before["main"]
    assert branch["branch"] in done.out
    assert lake.rows("select count(*) > 0 as filled from gold.dim_date", ref=branch["branch"]) == [
        {"filled": True}
    ]
    assert lake.seen() == before
    assert f"Dropped {branch['branch']}." in lake.lakehouse("branch", "drop", branch["branch"]).out
    assert lake.lakehouse("branch", "list", "--json").rows == []


def test_dbt_by_hand_that_fails_says_so(lake: Home) -> None:
    done = lake.lakehouse("dbt", "--", "build", "--no-such-option")
    assert done.code == 1
    assert "no-such-option" in done.sentence


def test_quarantine_shows_the_document_as_it_was_received(lake: Home) -> None:
    (row,) = lake.lakehouse("quarantine", "list", "--json").rows
    assert (row["site_id"], row["collection"], row["document_id"]) == ("home", "entries", BAD_ID)
    assert "sgv" in row["reasons"]
    table = lake.lakehouse("quarantine", "list").out
    assert row["payload_hash"][:8] in table
    shown = lake.lakehouse("quarantine", "show", row["payload_hash"][:8])
    assert shown.code == 0, shown.err
    reason, document = shown.out.splitlines()
    assert reason == f"home entries: {row['reasons']}"
    assert json.loads(document) == {name: value for name, value in BAD.items() if name != "_id"} | {
        "_id": BAD_ID
    }
    unknown = lake.lakehouse("quarantine", "show", "zzz")
    assert (unknown.code, "lakehouse quarantine list" in unknown.sentence) == (2, True)


def test_connect_gives_readers_a_way_in_and_prints_no_password(lake: Home) -> None:
    done = lake.lakehouse("connect")
    assert done.code == 0, done.err
    for file in (lake.path / "postgres").glob("*.password"):
        assert file.read_text() not in done.out
        assert file.stat().st_mode & 0o077 == 0
    told = dict(line.split(":", 1) for line in done.out.splitlines())
    count = "-w -Atc 'select count(*) from marts.mrt_glucose_overview'"
    answer = subprocess.run(
        ["/bin/sh", "-c", f"{told['psql']} {count}"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert (answer.stdout, answer.stderr) == ("4\n", "")
    assert not can_write(lake)


def test_a_site_that_is_not_configured_cannot_move(lake: Home) -> None:
    done = lake.lakehouse("site", "move", "other")
    assert done.code == 2
    assert "there are home" in done.sentence


def test_a_site_that_has_not_moved_does_not_move(lake: Home) -> None:
    before = lake.seen()
    done = lake.lakehouse("site", "move", "home")
    assert done.code == 2
    assert "has not moved" in done.sentence
    assert lake.seen() == before


def test_a_site_that_moved_is_read_at_its_new_address(lake: Home, front: Front) -> None:
    with misbehaving_server() as elsewhere:
        elsewhere.respond = front.server.respond
        new = {"NIGHTSCOUT_URL": elsewhere.url}
        before = lake.seen()
        refused = lake.load("2024-10-18", "2024-10-18", settings=new)
        assert refused.code == 1
        assert "lakehouse site move home" in refused.sentence
        assert lake.seen() == before

        moved = lake.lakehouse("site", "move", "home", **new)
        assert moved.code == 0, moved.err
        assert f"from {front.url} to {elsewhere.url}" in moved.out
        assert lake.seen()["days of main"] == before["days of main"]
        loaded = lake.load("2024-10-18", "2024-10-18", settings=new)
        assert loaded.code == 0, loaded.err
        (site,) = lake.status()["sites"]
        assert site["origin"] == elsewhere.url
        assert lake.seen()["days of main"] == before["days of main"]


def test_a_shell_has_everything(lake: Home) -> None:
    typed = "command -v airflow; command -v lakehouse; echo home=$AIRFLOW_HOME; lakehouse status --json\n"
    done = lake.lakehouse("shell", typed=typed, SHELL="/bin/sh", NIGHTSCOUT_API_SECRET="")
    assert done.code == 0, done.err
    airflow, lakehouse, home, *status = done.out.splitlines()
    programs = Path(airflow).parent
    assert (programs / "python").exists()
    assert Path(lakehouse).parent == programs
    assert home == f"home={lake.path / 'airflow-test'}"
    assert json.loads("\n".join(status))[0]["main"] == lake.status()["main"]


def test_a_shell_that_does_not_exist_is_named(lake: Home) -> None:
    done = lake.lakehouse("shell", SHELL="/bin/no-such-shell")
    assert done.code == 2
    assert "SHELL (/bin/no-such-shell)" in done.sentence


def test_no_secret_is_written_or_said(lake: Home, front: Front) -> None:
    assert all("api-secret" in request.headers for request in front.server.requests)
    for file in lake.files():
        assert SECRET.encode() not in file.read_bytes(), file
    for arguments in (("status",), ("connect",), ("history",), ("quarantine", "list")):
        done = lake.lakehouse(*arguments)
        assert SECRET not in done.out + done.err


def test_clean_stops_postgres_and_removes_everything(empty: Home) -> None:
    assert empty.lakehouse("connect").code == 0
    (pid, *_) = next(empty.path.rglob("postmaster.pid")).read_text().splitlines()
    foreign = empty.path / "my thesis.txt"
    foreign.write_text("keep")
    refused = empty.lakehouse("clean")
    assert refused.code == 2
    assert "my thesis.txt" in refused.sentence
    assert Path(f"/proc/{pid}").exists() or not Path("/proc/self").exists()
    assert foreign.read_text() == "keep"

    foreign.unlink()
    (empty.path / "spill").mkdir()  # as a killed DuckDB leaves it
    done = empty.lakehouse("clean")
    assert done.code == 0, done.err
    assert not empty.path.exists()
    assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
    assert "nothing to remove" in empty.lakehouse("clean").out


def test_the_project_itself_is_no_home_to_clean(empty: Home) -> None:
    done = empty.lakehouse("clean", LAKEHOUSE_HOME=str(PROJECT))
    assert done.code == 2
    assert (PROJECT / "README.md").exists()
