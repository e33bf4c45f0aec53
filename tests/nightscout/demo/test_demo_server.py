"""The demo site over HTTP: what the client relies on, the traps it must not fall into, and a clean end."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.errors import ServiceError
from include.nightscout.demo import documents, profiles
from include.nightscout.demo.documents import _versions
from include.nightscout.demo.server import serve
from include.nightscout.windows import DAY_COLLECTIONS, Collection, iso_milliseconds, milliseconds

PROJECT = Path(__file__).parents[3]
BY_DATE = [collection for collection in Collection if not collection.is_read_whole]
NOW = datetime(2026, 3, 30, 10, tzinfo=UTC)
DAY = timedelta(days=1)


class Site:
    """The served demo site, asked through one session as a client would."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url = url
        self.session = session

    def get(self, call: str, **headers: str) -> requests.Response:
        return self.session.get(f"{self.url}/api/v1/{call}", headers=headers, timeout=20)

    def json(self, call: str) -> Any:
        answer = self.get(call)
        assert answer.status_code == 200
        return answer.json()

    def window(self, collection: Collection, start: datetime, end: datetime) -> Any:
        if collection is Collection.ENTRIES:
            bounds = f"find[date][$gte]={milliseconds(start)}&find[date][$lt]={milliseconds(end)}"
        else:
            since, until = iso_milliseconds(start), iso_milliseconds(end)
            bounds = f"find[created_at][$gte]={since}&find[created_at][$lt]={until}"
        return self.json(f"{collection}.json?{bounds}&count=100000")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve(lambda: NOW) as url, requests.Session() as session:
        session.trust_env = False
        yield Site(url, session)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    collection=st.sampled_from(BY_DATE),
    start_days=st.floats(-40, 2),
    length_days=st.floats(0.01, 8),
)
def test_a_window_request_gives_the_documents_of_the_window(
    site: Site, collection: Collection, start_days: float, length_days: float
) -> None:
    start = NOW + start_days * DAY
    start -= timedelta(microseconds=start.microsecond % 1000)
    end = start + timedelta(milliseconds=round(length_days * 86_400_000))
    assert site.window(collection, start, end) == documents(collection, start, end, NOW)


def test_a_month_is_generated_once(site: Site) -> None:
    for collection in BY_DATE:
        site.window(collection, NOW - 40 * DAY, NOW - 9 * DAY)
    made = _versions.cache_info().misses
    for collection in BY_DATE:
        assert site.window(collection, NOW - 40 * DAY, NOW - 9 * DAY)
    assert _versions.cache_info().misses == made


def test_without_a_filter_there_are_ten_entries_and_a_hundred_treatments(site: Site) -> None:
    since = NOW - 4 * DAY
    entries = documents("entries", since, NOW, NOW)
    answer = site.json("entries.json")
    assert [{**each, "mills": each["date"]} for each in entries[:10]] == answer
    assert site.json("treatments.json") == documents("treatments", since, NOW, NOW)[:100]


def test_without_a_date_only_four_days_are_seen(site: Site) -> None:
    since = NOW - 4 * DAY
    expected = [each for each in documents("entries", since, NOW, NOW) if each.get("sgv", 0) >= 50]
    assert site.json("entries.json?find[sgv][$gte]=50.9&count=100000") == expected
    found = site.json("treatments.json?find[eventType]=Site+Change")
    held = documents("treatments", since, NOW, NOW)
    assert found == [each for each in held if each["eventType"] == "Site Change"]
    assert 1 <= len(found) <= 2
    assert site.json("treatments.json?find[date][$gte]=1") == []
    boluses = site.json("treatments.json?find[eventType]=/bolus/i")
    assert boluses == [each for each in held if "Bolus" in each["eventType"]]


def test_a_filter_without_count_gives_ten_entries_and_a_thousand_treatments(site: Site) -> None:
    assert len(site.json(f"entries.json?find[date][$gte]={milliseconds(NOW - 2 * DAY)}")) == 10
    found = site.json(f"treatments.json?find[created_at][$gte]={iso_milliseconds(NOW - 40 * DAY)}")
    assert found == documents("treatments", NOW - 40 * DAY, NOW, NOW)[:1000]
    assert len(found) == 1000


def test_count_0_means_all_with_a_filter_and_nothing_without(site: Site) -> None:
    since = NOW - 2 * DAY
    found = site.json(f"entries.json?find[date][$gte]={milliseconds(since)}&count=0")
    assert found == documents("entries", since, NOW, NOW)
    for count in (0, -3):
        assert site.json(f"entries.json?count={count}") == site.json(f"treatments.json?count={count}") == []


def test_numbers_are_cut_and_texts_match_everything(site: Site) -> None:
    everything = site.json("entries.json?find[date][$gte]=2026-03-30T00:00:00.000Z&count=3000")
    assert len(everything) == 3000
    assert milliseconds(NOW) - everything[-1]["date"] > 5 * 86_400_000


def test_types_have_their_own_routes(site: Site) -> None:
    bounds = f"find[date][$gte]={milliseconds(NOW - 24 * DAY)}&count=100000"
    held = documents("entries", NOW - 24 * DAY, NOW, NOW)
    for kind in ("sgv", "mbg", "cal"):
        expected = [each for each in held if each["type"] == kind]
        assert site.json(f"entries/{kind}.json?{bounds}") == expected
        assert expected
    assert site.json("entries/current.json") == held[:1]
    assert site.json(f"entries/{held[5]['_id']}.json") == [held[5]]
    unknown = site.get(f"entries/{'0' * 24}.json")
    assert (unknown.status_code, unknown.json()["message"]) == (500, "Mongo Error")


def test_operators_and_lists(site: Site) -> None:
    bounds = f"find[date][$gte]={milliseconds(NOW - 20 * DAY)}&count=0"
    held = documents("entries", NOW - 20 * DAY, NOW, NOW)
    cases = {
        "find[type][$ne]=sgv": lambda each: each["type"] != "sgv",
        "find[type][$in][]=mbg&find[type][$in][]=cal": lambda each: each["type"] in ("mbg", "cal"),
        "find[type][$nin][]=sgv": lambda each: each["type"] != "sgv",
        "find[trendRate][$exists]=false": lambda each: "trendRate" in each,
        "find[sgv][$gt]=200&find[sgv][$lte]=250": lambda each: 200 < each.get("sgv", 0) <= 250,
        "find[sgv][$gte]=": lambda each: each == "matched by nothing",
        "find[utcOffset]=0": lambda each: each == "matched by nothing",
    }
    for query, is_expected in cases.items():
        expected = [each for each in held if is_expected(each)]
        assert site.json(f"entries.json?{bounds}&{query}") == expected


def test_an_unreadable_bound_is_an_error_for_entries_and_nothing_for_treatments(site: Site) -> None:
    for query in ("find[date][$gte]=garbage", "find[date][$between]=1", "count=many&find[date][$gte]=1"):
        answer = site.get(f"entries.json?{query}")
        assert (answer.status_code, answer.json()["message"]) == (500, "Mongo Error")
    for query in (
        "find[created_at][$gte]=garbage",
        "find[created_at]=2024-10-15T00:00:00.000Z",
        "count=many",
    ):
        answer = site.get(f"treatments.json?{query}")
        assert (answer.status_code, answer.text) == (200, "null")


def test_bounds_of_created_at_are_rewritten_to_utc(site: Site) -> None:
    expected = documents("treatments", NOW - DAY, NOW, NOW)
    for bound in ("2026-03-29T12:00:00+02:00", "2026-03-29T10:00:00Z", "2026-03-29T12:00%2B0200"):
        assert site.json(f"treatments.json?find[created_at][$gte]={bound}&count=0") == expected


def test_without_an_extension_anybody_gets_tab_separated_text(site: Site) -> None:
    call = f"entries?find[date][$gte]={milliseconds(NOW - DAY)}&count=3"
    newest = documents("entries", NOW - DAY, NOW, NOW)[0]
    answer = site.get(call)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    first = answer.text.split("\r\n")[0].split("\t")
    assert first[:3] == [f'"{newest["dateString"]}"', str(newest["date"]), str(newest["sgv"])]
    assert len(answer.text.split("\r\n")) == 3
    assert site.get(call, Accept="application/json").json()[0] == newest
    assert site.get("treatments?count=1").json()


def test_a_null_is_an_empty_text_and_a_missing_value_is_nothing(site: Site) -> None:
    start = NOW - 20 * DAY
    held = documents("entries", start, NOW, NOW)
    twin = next(each for each in held if each["type"] == "sgv" and each["direction"] is None)
    finger = next(each for each in held if each["type"] == "mbg")
    line = site.get(f"entries.csv?find[date]={twin['date']}")
    assert line.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert line.text == f'"{twin["dateString"]}",{twin["date"]},{twin["sgv"]},"","share2"'
    line = site.get(f"entries.tsv?find[date]={finger['date']}")
    assert line.text == f'"{finger["dateString"]}"\t{finger["date"]}\t\t\t"notebook import"'


def test_a_late_upload_is_looked_up_too(site: Site) -> None:
    """Its id tells when it arrived, which is 30 hours after it was measured."""
    late = [
        each
        for each in documents("entries", NOW - 20 * DAY, NOW - 2 * DAY, NOW)
        if int(each["_id"][:8], 16) * 1000 - each["date"] > 20 * 3_600_000
    ]
    assert late
    assert [site.json(f"entries.json?find[_id]={each['_id']}") for each in (late[0], late[-1])] == [
        [late[0]],
        [late[-1]],
    ]


@pytest.mark.parametrize("collection", DAY_COLLECTIONS)
def test_a_document_is_looked_up_by_the_kind_of_its_id(collection: Collection, site: Site) -> None:
    """Long after the four days, and each kind of `_id` in its own way only: text by a list."""
    held = documents(collection, NOW - 60 * DAY, NOW - 20 * DAY, NOW)
    imported = [each for each in held if "notebook import" in (each.get("device"), each.get("enteredBy"))]
    assert imported
    for document, is_text in ((held[0], False), (held[-1], False), (imported[0], True)):
        alone = site.json(f"{collection}.json?find[_id]={document['_id']}&count=10")
        listed = site.json(f"{collection}.json?find[_id][$in][]={document['_id']}&count=10")
        assert (alone, listed) == (([], [document]) if is_text else ([document], []))
    for identifier in ("0" * 24, "65f0000000000000000000aa", "no-such-id"):
        assert site.json(f"{collection}.json?find[_id]={identifier}&count=10") == []
        assert site.json(f"{collection}.json?find[_id][$in][]={identifier}&count=10") == []


def test_a_moved_treatment_is_still_found_by_its_id() -> None:
    clock = [NOW]
    with serve(lambda: clock[0]) as url, requests.Session() as session:
        site = Site(url, session)
        settled = {each["_id"]: each for each in documents("treatments", NOW - 90 * DAY, NOW, NOW + 9 * DAY)}
        day, moved = NOW - 80 * DAY, []
        while day < NOW - 3 * DAY and not moved:
            clock[0] = day + 2 * timedelta(hours=1)
            moved = [
                each
                for each in documents("treatments", day - DAY, day + DAY, clock[0])
                if settled.get(each["_id"], each)["created_at"] != each["created_at"]
            ]
            day += timedelta(hours=6)
        document = moved[0]
        clock[0] = NOW
        ways = (f"find[_id]={document['_id']}", f"find[_id][$in][]={document['_id']}")
        found = [each for way in ways for each in site.json(f"treatments.json?{way}&count=10")]
    assert found == [settled[document["_id"]]]


def test_entries_in_order_of_arrival(site: Site) -> None:
    """The `_id` grows with arrival, so that a late upload comes after what was measured before it."""
    held = documents("entries", NOW - 20 * DAY, NOW, NOW)
    start = held[-1]["_id"]
    found = site.json(f"entries.json?find[_id][$gt]={start}&sort[_id]=1&count=3000")
    arrivals = sorted(each["_id"] for each in held if each["_id"] > start and each["type"] != "mbg")
    assert sorted(each["_id"] for each in found) == arrivals[:3000]


def test_nothing_is_older_than_the_first_day(site: Site) -> None:
    first = 1577833200000  # 2020-01-01 in Berlin
    assert site.json(f"entries.json?find[date][$lt]={first}&count=1") == []
    assert site.json("treatments.json?find[created_at][$lt]=2019-12-31T23:00:00.000Z&count=1") == []
    assert len(site.json(f"entries.json?find[date][$lt]={first + 7_200_000}&count=1")) == 1
    assert len(site.json("treatments.json?find[created_at][$lt]=2020-01-02&count=1")) == 1


def test_counting(site: Site) -> None:
    since = NOW - 3 * DAY
    count = len(documents("entries", since, NOW, NOW))
    found = site.json(f"count/entries/where?find[date][$gte]={milliseconds(since)}")
    assert found == [{"_id": None, "count": count}]
    assert site.json("count/entries/where") == []


def test_profile_status_and_permissions(site: Site) -> None:
    assert site.json("profile.json") == profiles(NOW)
    assert site.json("profile/current.json") == profiles(NOW)[0]
    assert site.json("profiles.json") == []
    status = site.json("status.json")
    assert (status["status"], status["apiEnabled"]) == ("ok", True)
    assert status["serverTimeEpoch"] == milliseconds(NOW)
    assert "STATUS OK" in site.get("status").text
    assert site.json("verifyauth")["message"]["canRead"] is True


def test_nobody_writes_and_unknown_paths_are_pages(site: Site) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = site.session.request(
            method, f"{site.url}/api/v1/entries.json", json=[{"sgv": 1}], timeout=20
        )
        assert answer.status_code == 401
    for path in ("/api/v1/nothing", "/api/v1/entries/a/b.json", "/api/v3/entries", "/<b>"):
        answer = site.session.get(f"{site.url}{path}", timeout=20)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "<b>" not in answer.text
    assert "Simulated data" in site.session.get(site.url, timeout=20).text


def test_an_unchanged_answer_is_not_sent_again(site: Site) -> None:
    for call in (f"entries.json?find[date][$gte]={milliseconds(NOW - DAY)}", "treatments.json"):
        modified = site.get(call).headers["Last-Modified"]
        again = site.get(call, **{"If-Modified-Since": "Tue, 31 Mar 2026 10:00:00 GMT"})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["Last-Modified"] == modified
        for earlier in ("Sat, 28 Mar 2026 10:00:00 GMT", "no date"):
            assert site.get(call, **{"If-Modified-Since": earlier}).status_code == 200


def test_now_is_asked_for_each_call() -> None:
    clock = [NOW]
    with serve(lambda: clock[0]) as url, requests.Session() as session:
        site = Site(url, session)
        assert site.window(Collection.ENTRIES, NOW, NOW + DAY) == []
        clock[0] = NOW + timedelta(hours=1)
        assert len(site.window(Collection.ENTRIES, NOW, NOW + DAY)) >= 11


def test_it_ends_quietly_with_all_threads_even_when_callers_stay(capfd: pytest.CaptureFixture[str]) -> None:
    before = set(threading.enumerate())
    with serve(lambda: NOW) as url:
        port = int(url.rsplit(":", 1)[1])
        idle = socket.create_connection(("127.0.0.1", port))
        kept = requests.Session()
        kept.get(f"{url}/api/v1/status.json", timeout=20)
        hung_up = socket.create_connection(("127.0.0.1", port))
        hung_up.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        hung_up.sendall(b"GET /api/v1/entries.json?find[date][$gte]=1&count=30000 HTTP/1.1\r\n\r\n")
        hung_up.close()
        assert len(set(threading.enumerate()) - before) >= 3
    assert set(threading.enumerate()) == before
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
    idle.close()
    kept.close()
    assert capfd.readouterr() == ("", "")


def test_a_port_in_use_is_one_clear_sentence() -> None:
    with serve() as url:
        port = int(url.rsplit(":", 1)[1])
        with (
            pytest.raises(ServiceError, match=rf"port {port} of 127\.0\.0\.1 .*choose another port"),
            serve(port=port),
        ):
            pass
    with pytest.raises(ServiceError, match="choose another port"), serve(port=70_000):
        pass


def run_module(port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "include.nightscout.demo.server", "--port", str(port)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_as_a_program_until_a_signal(number: signal.Signals) -> None:
    with run_module(0) as program:
        assert program.stdout
        try:
            url = program.stdout.readline().split()[5]
            assert requests.get(f"{url}/api/v1/status.json", timeout=20).json()["status"] == "ok"
            with run_module(int(url.rsplit(":", 1)[1])) as second:
                out, error = second.communicate(timeout=30)
            assert (second.returncode, out, error.count("\n")) == (1, "", 1)
            assert "choose another port" in error
        finally:
            program.send_signal(number)
        assert program.communicate(timeout=30) == ("", "")
    assert program.returncode == 0
