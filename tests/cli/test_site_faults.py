"""A site that cannot be read is left out with a sentence; main, Postgres and other sites do not notice."""

import json
from pathlib import Path

import pytest

from include.nightscout.demo.server import serve
from tests.cli.conftest import SECRET, ZONE
from tests.cli.homes import LATE, Home
from tests.cli.sites import NOW, Front
from tests.free_ports import free_port
from tests.nightscout.misbehaving import answer, cut_short, hang

DAYS = ("2024-10-16", "2024-10-17")
FAULTS = {
    "wrong secret": (answer('{"status":401,"message":"Unauthorized"}', 401), "answers 401"),
    "HTML": (answer("<html><body>Welcome to my blog</body></html>"), "HTML"),
    "half a JSON": (answer('[{"_id": "0123456789abcdef01234567", "sgv": 1'), "JSON"),
    "half an answer": (cut_short(b'[{"_id"', 1000), "gave no answer"),
    "an object": (answer('{"status": "ok"}'), "object"),
    "silence": (hang, "gave no answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_site_that_cannot_be_read(lake: Home, front: Front, fault: str) -> None:
    reply, named = FAULTS[fault]
    before = lake.seen()
    front.server.replies(reply)
    done = lake.load(*DAYS, limits=LATE)
    assert done.code == 1
    (sentence,) = done.sentence.splitlines()
    assert sentence.startswith("site home: ")
    assert named in sentence
    assert SECRET not in done.out + done.err
    assert lake.seen() == before
    checks = {row["check_name"]: row for row in lake.status()["checks"]}
    assert {(row["run_id"], row["version"]) for row in checks.values()} == {
        (f"run-{lake.runs}", before["main"])
    }
    assert {"source_read", "gaps"} <= set(checks)


def test_an_address_where_nobody_answers(lake: Home, front: Front) -> None:
    before = lake.seen()
    nobody = f"http://127.0.0.1:{free_port()}"
    done = lake.load(*DAYS, limits=LATE, settings={"NIGHTSCOUT_URL": nobody})
    assert done.code == 1
    (sentence,) = done.sentence.splitlines()
    assert sentence.startswith("site home: ")
    assert lake.seen() == before


def test_the_other_site_goes_on(lake: Home, front: Front) -> None:
    """Then the first one recovers."""
    of_site = "select * from marts.mrt_glucose_overview where site_id = '{}' order by reading_date"
    before = lake.rows(of_site.format("home"))
    front.server.replies(answer("", 401))
    with serve(lambda: NOW) as other:
        settings = two_sites(lake, front.url, other)
        done = lake.load(*DAYS, limits=LATE, settings=settings)
        assert done.code == 1
        (sentence,) = done.sentence.splitlines()
        assert sentence.startswith("site home: ")
        assert "answers 401" in sentence
        assert "site other" not in sentence
        assert SECRET not in done.out + done.err

        assert lake.rows(of_site.format("home")) == before
        loaded = lake.rows(of_site.format("other"))
        assert [day["reading_date"] for day in loaded] == list(DAYS)
        published = lake.published(of_site.format("other"))
        assert len(published) == len(loaded)
        status = lake.status()
        assert status["main"] == status["published"]
        assert {row["site"] for row in status["sites"]} == {"home", "other"}
        assert {(row["site_id"], row["status"]) for row in status["waiting"]} == {("home", "failed")}

        front.recover()
        healed = lake.load(*DAYS, settings=settings)
        assert healed.code == 0, healed.err
        assert lake.rows(of_site.format("home")) == before
        assert lake.rows(of_site.format("other")) == loaded
        assert lake.status()["waiting"] == []


def two_sites(lake: Home, home: str, other: str) -> dict[str, str]:
    """The settings for both, in a file of their own."""
    listed = lake.path.with_name("two-sites.yaml")
    sites = [{"id": name, "connection": name, "zone": ZONE} for name in ("home", "other")]
    Path(listed).write_text(json.dumps(sites))
    connection = {"conn_type": "http", "password": SECRET}
    connections = {
        "AIRFLOW_CONN_HOME": json.dumps(connection | {"host": home}),
        "AIRFLOW_CONN_OTHER": json.dumps(connection | {"host": other}),
    }
    nobody = dict.fromkeys(("NIGHTSCOUT_URL", "NIGHTSCOUT_API_SECRET", "NIGHTSCOUT_TIME_ZONE"), "")
    return {**nobody, **connections, "SITES_FILE": str(listed)}
