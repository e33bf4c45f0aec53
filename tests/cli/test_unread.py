"""Days between others that no window covered: `status` names them, and the command that loads them."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from include.nightscout.demo.server import serve
from include.nightscout.demo.versions import Document, ObjectId
from include.nightscout.windows import milliseconds
from tests.cli.conftest import ZONE
from tests.cli.homes import LATE, Home
from tests.cli.sites import NOW, Front
from tests.nightscout.misbehaving import Reply, Request, answer, misbehaving_server

SEPTEMBER = datetime(2024, 8, 31, 22, tzinfo=UTC)
LOAD = "make run START=2024-09-01 END=2024-10-01"


def a_reading_a_day(collection: str, earliest: float, latest: float, now: float) -> Iterator[Document]:
    for days in range(90 if collection == "entries" else 0):
        at = NOW - timedelta(days=days, hours=1)
        yield {
            "_id": ObjectId(f"{days:024x}"),
            "type": "sgv",
            "sgv": 120,
            "date": milliseconds(at),
            "dateString": at.isoformat(),
            "device": "meter",
        }


def test_a_window_of_a_long_range_that_fails_is_a_hole_until_it_is_loaded(empty: Home) -> None:
    with serve(lambda: NOW, archive=a_reading_a_day) as behind, misbehaving_server() as server:
        front = Front(server, behind)
        healthy = server.respond

        def without_september(request: Request) -> Reply:
            is_september = request.query.get("find[date][$gte]") == str(milliseconds(SEPTEMBER))
            return answer("", 503) if is_september else healthy(request)

        server.respond = without_september
        empty.settings |= {"NIGHTSCOUT_URL": front.url, "NIGHTSCOUT_TIME_ZONE": ZONE}
        failed = empty.load("2024-08-01", "2024-10-18", limits=LATE)
        assert failed.code == 1
        assert f"older than HEAL_DAYS: read it again with {LOAD}" in failed.sentence
        assert empty.status()["unread"] == []

        assert empty.load("2024-10-18", "2024-10-18").code == 0
        (hole,) = empty.status()["unread"]
        named = {"site": "home", "collections": "entries"}
        assert hole == named | {"first_day": "2024-09-01", "last_day": "2024-10-01"}
        told = empty.lakehouse("status").out
        assert "Not read whole" in told
        assert f"\n  home, entries: {LOAD}\n" in told
        printed = csv.DictReader(io.StringIO(empty.lakehouse("status", "--csv").out))
        assert {row["name"]: row["value"] for row in printed if row["about"] == "unread"} == hole

        server.respond = healthy
        assert empty.load("2024-09-01", "2024-10-01").code == 0
        assert empty.status()["unread"] == []
        assert "Not read whole" not in empty.lakehouse("status").out
