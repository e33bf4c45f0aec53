"""What a run received and did not merge, and how runs ended, as `status` and `quarantine` show it."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.nightscout.windows import milliseconds
from include.run.turn import owner_of_this_process
from include.serving.lease import Leases
from include.serving.postgres import ensure
from tests.cli.conftest import SECRET, ZONE
from tests.cli.homes import LATE, Home
from tests.cli.sites import Front
from tests.nightscout.misbehaving import Reply, Request, answer, documents, misbehaving_server

START = datetime(2024, 10, 15, tzinfo=UTC)
DAYS = ("2024-10-15", "2024-10-15")
REFUSED = "20 of 50 documents (40.0 %) are quarantined"


def entries(request: Request) -> Reply:
    """Fifty readings of which twenty have no usable value."""
    if "entries" not in request.path:
        return documents()
    return documents(
        *(
            {
                "_id": f"{number:024x}",
                "type": "sgv",
                "sgv": "LOW" if number < 20 else 120,
                "date": milliseconds(START + number * timedelta(minutes=5)),
            }
            for number in range(50)
        )
    )


@contextmanager
def refused(home: Home) -> Iterator[None]:
    """A home whose only run so far was refused: most documents of its only site are bad."""
    with misbehaving_server() as site:
        site.respond = entries
        home.settings |= {"NIGHTSCOUT_URL": site.url, "NIGHTSCOUT_TIME_ZONE": ZONE}
        done = home.load(*DAYS)
        assert done.code == 1
        assert REFUSED in done.sentence
        assert "lakehouse quarantine list" in done.sentence
        yield


def test_a_refused_sites_documents_are_shown_before_anything_was_merged(empty: Home) -> None:
    with refused(empty):
        rows = empty.lakehouse("quarantine", "list", "--json").rows
        assert len(rows) == 20
        assert {(row["site_id"], row["collection"], row["state"], row["resolved_at"]) for row in rows} == {
            ("home", "entries", "not merged yet", None)
        }
        assert "sgv" in rows[0]["reasons"]
        shown = empty.lakehouse("quarantine", "show", rows[0]["payload_hash"])
        reason, document = shown.out.splitlines()
        assert reason == f"home entries, not merged yet: {rows[0]['reasons']}"
        assert json.loads(document)["sgv"] == "LOW"
        (found,) = empty.lakehouse("quarantine", "show", rows[0]["payload_hash"], "--json").rows
        assert json.loads(found["document"])["_id"] == found["document_id"] == rows[0]["document_id"]

        status = empty.status()
        assert status["main"] is None
        by_collection = {row["collection"]: row for row in status["waiting"]}
        assert by_collection.keys() == {"entries", "treatments", "profile"}
        assert by_collection["entries"]["status"] == "staged"
        assert REFUSED in by_collection["entries"]["message"]
        assert by_collection["treatments"]["message"] is None
        (run,) = status["runs"]
        assert (run["run_id"], run["outcome"], run["left_out"]) == ("run-1", "left_out", ["home"])
        assert REFUSED in run["reason"]
        assert (run["received"], run["quarantined"], run["inserted"], run["version"]) == (50, 20, 0, None)
        told = empty.lakehouse("status").out
        assert "nothing was loaded yet" in told
        assert "left_out" in told

        assert empty.load(*DAYS, settings={"MAX_QUARANTINE_PCT": "50"}).code == 0
        rows = empty.lakehouse("quarantine", "list", "--json").rows
        assert [row["state"] for row in rows] == ["quarantined"] * 20
        status = empty.status()
        assert status["waiting"] == []
        newest, oldest = status["runs"]
        assert (newest["outcome"], newest["inserted"], newest["version"]) == ("succeeded", 30, status["main"])
        assert (newest["published"], newest["reason"], oldest["run_id"]) == (True, None, "run-1")


def test_reads_of_a_site_that_is_no_longer_configured_wait(empty: Home) -> None:
    with refused(empty):
        waiting = empty.lakehouse("status", "--json", NIGHTSCOUT_SITE="other").rows[0]["waiting"]
        assert {row["status"] for row in waiting} == {"not_configured"}
        assert "until it is" in waiting[0]["message"]
        folder = next((empty.path / "stage" / "home" / "entries").iterdir())
        (folder / "manifest.json").write_text("{")
        (damaged,) = [row for row in empty.status()["waiting"] if row["status"] == "damaged"]
        assert (damaged["site_id"], damaged["collection"]) == ("home", "entries")
        assert str(folder) in damaged["message"]


def test_a_run_that_failed_or_was_killed_is_told(lake: Home, front: Front) -> None:
    front.server.replies(answer("", 401))
    assert lake.load(*DAYS, limits=LATE).code == 1
    (failed, *_) = lake.status()["runs"]
    assert (failed["outcome"], failed["left_out"]) == ("left_out", ["home"])
    assert "answers 401" in failed["reason"]
    assert SECRET not in str(lake.status())

    leases = Leases(ensure(lake.as_settings()))
    killed = leases.take(owner_of_this_process("test", "killed"), timedelta(0), lambda _: True)
    assert killed is not None
    assert lake.status()["runs"][0]["outcome"] is None
    assert "under way" in lake.lakehouse("status", COLUMNS="200").out
    leases.release(killed)
    assert "it was killed" in lake.lakehouse("status", COLUMNS="200").out


def test_a_rollback_is_a_run_too(lake: Home) -> None:
    main, older = lake.status()["main"], lake.first_version()
    assert lake.lakehouse("rollback", older).code == 0
    (newest, *_) = lake.status()["runs"]
    assert (newest["dag_id"], newest["run_id"].split("-")[0]) == ("lakehouse", "rollback")
    assert newest["outcome"] == "succeeded"

    states = {row["version"]: row["state"] for row in lake.lakehouse("history", "--json").rows}
    assert (states[older], states[main]) == ("main", "undone by a rollback")
    assert "undone" in lake.lakehouse("history").out
    assert lake.lakehouse("rollback", main).code == 0
    states = {row["version"]: row["state"] for row in lake.lakehouse("history", "--json").rows}
    assert (states[older], states[main]) == ("", "main")


@pytest.mark.parametrize("command", [("status",), ("branch", "list"), ("history",), ("quarantine", "list")])
def test_every_list_is_printed_for_programs_too(lake: Home, tmp_path: Path, command: tuple[str, ...]) -> None:
    printed = lake.lakehouse(*command, "--csv")
    assert printed.code == 0, printed.err
    header, *rows = csv.reader(io.StringIO(printed.out))
    assert header
    assert all(len(row) == len(header) for row in rows)
    assert lake.lakehouse(*command, "--json").rows is not None


def test_the_csv_of_the_status_says_everything(lake: Home) -> None:
    status = lake.status()
    rows = list(csv.DictReader(io.StringIO(lake.lakehouse("status", "--csv").out)))
    said = {(row["about"], row["row"], row["name"]): row["value"] for row in rows}
    assert said["lake", "", "main"] == status["main"]
    assert said["sites", "1", "entries"] == str(status["sites"][0]["entries"])
    assert said["runs", "1", "run_id"] == status["runs"][0]["run_id"]
