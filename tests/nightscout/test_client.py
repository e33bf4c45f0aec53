"""Reading a site: whole windows, look-ups, credentials, and the traps of API v1 that concern them."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.errors import (
    SourceContractError,
    SourceRefusedError,
    SourceUnavailableError,
)
from include.nightscout import client as client_module
from include.nightscout.authentication import Authentication
from include.nightscout.client import Client, open_client, read_profile_zone
from include.nightscout.sites import Credentials, Site
from include.nightscout.transport import Limits, Transport
from include.nightscout.windows import (
    DAY_COLLECTIONS,
    EPOCH,
    Collection,
    Window,
    iso_milliseconds,
    milliseconds,
)
from include.nightscout.zones import ZoneValidity
from tests.nightscout.conftest import NOW, Clock
from tests.nightscout.misbehaving import (
    MisbehavingServer,
    Reply,
    Request,
    answer,
    documents,
    in_turn,
    misbehaving_server,
)
from tests.nightscout.recorded_site import RecordedSite, ids
from tests.nightscout.site_filter import selects
from tests.nightscout.test_windows import DAY, DAY_END_MS, DAY_START_MS, TREATMENTS

TOKEN = "lake-0123456789abcdef"
PROFILES = Window("anna", Collection.PROFILES, EPOCH, DAY.end)
NewClient = Callable[..., Client]
FIRST_ID = "6b00fa03a98e33da1e8b66e0"


def entries(*dates: Any) -> list[dict[str, Any]]:
    return [{"_id": f"{n:024x}", "sgv": 100, "date": date} for n, date in enumerate(dates)]


def treatments(*instants: Any) -> list[dict[str, Any]]:
    return [{"_id": f"{n:024x}", "created_at": created_at} for n, created_at in enumerate(instants)]


# ------------------------------------------------------------------------------------------ windows


def test_entries_are_asked_by_date_in_milliseconds(server: MisbehavingServer, new_client: NewClient) -> None:
    """Traps 2, 3, 4, 6: `date` as a number, both bounds, an explicit count, `.json`."""
    read = new_client(page_count=500).read_window(DAY)
    (request,) = server.requests
    assert request.path == "/api/v1/entries.json"
    assert request.query == {
        "find[date][$gte]": "1728950400000",
        "find[date][$lt]": "1729036800000",
        "count": "500",
    }
    assert read.request == (
        "/api/v1/entries.json?find[date][$gte]=1728950400000&find[date][$lt]=1729036800000&count=500"
    )
    assert (read.documents, read.fetched_at) == ((), NOW)


def test_treatments_are_asked_by_created_at_as_utc_text(
    server: MisbehavingServer, new_client: NewClient
) -> None:
    """Epoch milliseconds would select every treatment, an offset would depend on the server."""
    read = new_client().read_window(TREATMENTS)
    (request,) = server.requests
    assert request.path == "/api/v1/treatments.json"
    assert request.query == {
        "find[created_at][$gte]": "2024-10-15T00:00:00.000Z",
        "find[created_at][$lt]": "2024-10-16T00:00:00.000Z",
        "count": "100",
    }
    assert read.request == (
        "/api/v1/treatments.json?find[created_at][$gte]=2024-10-15T00:00:00.000Z"
        "&find[created_at][$lt]=2024-10-16T00:00:00.000Z&count=100"
    )


def test_profiles_are_read_whole_and_without_push_tokens(
    server: MisbehavingServer, new_client: NewClient
) -> None:
    """`find` is ignored by that path, and the other one sees four days."""
    listed = [{"_id": FIRST_ID, "startDate": "1970-01-01", "deviceToken": "abc"}, {"_id": "as text"}]
    server.replies(documents(*listed))
    read = new_client().read_window(PROFILES)
    (request,) = server.requests
    assert (request.path, request.query) == ("/api/v1/profile.json", {"count": "100"})
    assert read.request == "/api/v1/profile.json?count=100"
    assert [json.loads(text) for text in read.documents] == [
        {"_id": FIRST_ID, "startDate": "1970-01-01"},
        {"_id": "as text"},
    ]
    assert ids(new_client().look_up(Collection.PROFILES, "as text").documents) == ["as text"]
    assert new_client().look_up(Collection.PROFILES, "another").documents == ()
    assert new_client().has_older(Collection.PROFILES, PROFILES.start) is False


def test_profiles_that_fill_a_page_may_be_cut(server: MisbehavingServer, new_client: NewClient) -> None:
    server.replies(documents(*({"_id": str(number)} for number in range(3))))
    assert len(new_client(page_count=4).read_window(PROFILES).documents) == 3
    with pytest.raises(SourceContractError, match="more than can be read at once"):
        new_client(page_count=3).read_window(PROFILES)


def test_the_default_count_is_more_than_31_days_of_five_minutes() -> None:
    assert client_module.PAGE_COUNT > 31 * 288 * 2  # two uploaders


def test_the_last_reading_of_a_day_is_read_once(server: MisbehavingServer, new_client: NewClient) -> None:
    """Trap 1: 23:59:59.999 belongs to the day, midnight to the next one."""
    server.respond = RecordedSite(entries(DAY_START_MS - 1, DAY_START_MS, DAY_END_MS - 1, DAY_END_MS))
    assert ids(new_client().read_window(DAY).documents) == [f"{2:024x}", f"{1:024x}"]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[MisbehavingServer]:
    with misbehaving_server() as server:
        yield server


def client_of(server: MisbehavingServer, page_count: int) -> Client:
    authentication = Authentication(Credentials())
    return Client(
        "anna", Transport("anna", server.url, authentication), authentication, page_count=page_count
    )


offsets = st.lists(st.integers(-3, 40) | st.floats(-3, 40), max_size=25)


@settings(max_examples=40)
@given(offsets, st.integers(1, 6))
def test_full_pages_are_split_until_nothing_is_cut(
    shared_server: MisbehavingServer, dates: list[float], page_count: int
) -> None:
    """Trap 5: a page that reaches the count may be cut; halves are asked until none does."""
    window = Window("anna", Collection.ENTRIES, DAY.start, DAY.start + timedelta(milliseconds=32))
    held = entries(*(DAY_START_MS + date for date in dates))
    wanted = [each for each in held if selects(window, each)]
    shared_server.respond = RecordedSite(held)
    crowd = Counter(int(each["date"] // 1) for each in wanted).most_common(1)
    client = client_of(shared_server, page_count)
    if crowd and crowd[0][1] >= page_count:
        with pytest.raises(SourceContractError, match="of the same millisecond"):
            client.read_window(window)
    else:
        read = client.read_window(window)
        assert sorted(ids(read.documents)) == sorted(each["_id"] for each in wanted)
        assert read.request.endswith(f"&count={page_count}")


@settings(max_examples=20)
@given(st.sets(st.integers(0, 5000), max_size=20), st.integers(2, 6))
def test_full_pages_of_treatments_are_split_too(
    shared_server: MisbehavingServer, offsets: set[int], page_count: int
) -> None:
    instants = [iso_milliseconds(DAY.start + timedelta(seconds=each)) for each in offsets]
    shared_server.respond = RecordedSite(treatments=treatments(*instants))
    read = client_of(shared_server, page_count).read_window(TREATMENTS)
    assert sorted(ids(read.documents)) == [f"{n:024x}" for n in range(len(offsets))]


def test_a_joined_answer_is_as_old_as_its_first_request(
    server: MisbehavingServer, new_transport: Callable[..., Transport]
) -> None:
    server.respond = RecordedSite(entries(DAY_START_MS, DAY_START_MS + 1, DAY_END_MS - 1))
    looks: list[int] = []

    def now() -> datetime:
        looks.append(len(server.requests))
        return NOW

    client = Client("anna", new_transport(), Authentication(Credentials()), now=now, page_count=3)
    read = client.read_window(DAY)
    assert read.fetched_at == NOW
    assert looks == [0]  # taken before anything was sent
    assert len(server.requests) == 3
    assert read.request.startswith(
        "/api/v1/entries.json?find[date][$gte]=1728950400000&find[date][$lt]=17290"
    )


@pytest.mark.parametrize(
    ("window", "document"),
    [
        (DAY, {"_id": "a", "date": DAY_END_MS}),
        (DAY, {"_id": "a", "date": DAY_START_MS - 0.5}),
        (TREATMENTS, {"_id": "a", "created_at": "2024-10-16T00:00:00.000Z"}),
        (TREATMENTS, {"_id": "a", "created_at": "2024-10-14T12:00:00Z"}),
        (TREATMENTS, {"_id": "a", "created_at": "whenever"}),
    ],
)
def test_a_site_that_ignores_the_filter_is_not_trusted(
    server: MisbehavingServer, new_client: NewClient, window: Window, document: dict[str, Any]
) -> None:
    """Trap 3: a filter that selects everything must not pass for a window."""
    server.replies(documents(document))
    with pytest.raises(SourceContractError, match="ignores the filter"):
        new_client().read_window(window)


@pytest.mark.parametrize(
    ("window", "document"),
    [
        (DAY, {"_id": "a", "date": DAY_END_MS - 0.5}),
        (DAY, {"_id": "a", "date": "1728950400000"}),
        (DAY, {"_id": "a", "date": None}),
        (DAY, {"_id": "a"}),
        (TREATMENTS, {"_id": "a", "created_at": "2024-10-16T01:30:00+02:00"}),  # inside, as an instant
        (TREATMENTS, {"_id": "a", "created_at": "2024-10-15T23:59:59Z"}),
        (TREATMENTS, {"_id": "a", "created_at": "2024-10-15T08"}),
        (TREATMENTS, {"_id": "a"}),
    ],
)
def test_documents_that_may_belong_to_the_window_are_kept(
    server: MisbehavingServer, new_client: NewClient, window: Window, document: dict[str, Any]
) -> None:
    """Trap 9: float, text or missing dates are for validation to judge, not for the client to drop."""
    server.replies(documents(document))
    assert [json.loads(text) for text in new_client().read_window(window).documents] == [document]


@pytest.mark.parametrize(
    ("received", "kept"),
    [
        ('{"a": 1.0, "b": "é"}', '{"a":1.0,"b":"é"}'),
        ('{"date": 1728950400105.5488}', '{"date":1728950400105.5488}'),  # trap 9
        ('{"a": 18446744073709551616}', '{"a":18446744073709551616}'),
        ('{"a": -9223372036854775809}', '{"a":-9223372036854775809}'),
        ('{"a": NaN}', '{"a":NaN}'),
        ('{"a": 1e400}', '{"a":Infinity}'),
        ('{"a": "\\ud800"}', '{"a":"\\ud800"}'),
        ('{"a": "\\u0000"}', '{"a":"\\u0000"}'),
        ('{"z": 1, "a": {"new": [true, null]}}', '{"z":1,"a":{"new":[true,null]}}'),  # trap 21
    ],
)
def test_documents_are_kept_as_received(
    server: MisbehavingServer, new_client: NewClient, received: str, kept: str
) -> None:
    """A document that JSON cannot really hold changes neither itself nor its neighbours."""
    neighbour = '{"n":1.5,"o":"ü","p":1e+16}'
    server.replies(answer(f"[{neighbour}, {received}]"))
    assert new_client().read_window(DAY).documents == (neighbour, kept)
    assert json.dumps(json.loads(kept)) == json.dumps(json.loads(received))


# ------------------------------------------------------------------------------- look-ups and older


def test_an_object_id_is_found_in_the_first_form(server: MisbehavingServer, new_client: NewClient) -> None:
    server.respond = RecordedSite(entries(0, 1))
    found = new_client().look_up(Collection.ENTRIES, f"{1:024x}")
    assert ids(found.documents) == [f"{1:024x}"]
    assert found.request == f"/api/v1/entries.json?find[_id]={1:024x}&count=10"
    assert found.fetched_at == NOW
    assert len(server.requests) == 1


def test_an_id_stored_as_text_is_found_in_the_second_form(
    server: MisbehavingServer, new_client: NewClient
) -> None:
    """Trap 14: not found by one form is no deletion; a document counts as gone only after both."""
    server.respond = RecordedSite(treatments=treatments("x"), text_ids={f"{0:024x}"})
    found = new_client().look_up(Collection.TREATMENTS, f"{0:024x}")
    assert ids(found.documents) == [f"{0:024x}"]
    assert found.request == f"/api/v1/treatments.json?find[_id][$in][]={0:024x}&count=10"
    assert len(server.requests) == 2


def test_nothing_is_found_after_both_forms(server: MisbehavingServer, new_client: NewClient) -> None:
    server.respond = RecordedSite(entries(0))
    assert new_client().look_up(Collection.ENTRIES, FIRST_ID).documents == ()
    assert [list(request.query) for request in server.requests] == [
        ["find[_id]", "count"],
        ["find[_id][$in][]", "count"],
    ]


@pytest.mark.parametrize("document_id", ["abc", "7efbc334-48a7-5050", "a&count=0", "ä/b?#%", "F" * 24])
def test_an_id_that_is_no_object_id_is_asked_as_text_alone(
    server: MisbehavingServer, new_client: NewClient, document_id: str
) -> None:
    server.respond = RecordedSite([{"_id": document_id, "date": 1}], text_ids={document_id})
    found = new_client().look_up(Collection.ENTRIES, document_id)
    assert ids(found.documents) == [document_id]
    (request,) = server.requests
    assert request.query == {"find[_id][$in][]": document_id, "count": "10"}


def test_another_document_is_no_answer_to_a_look_up(server: MisbehavingServer, new_client: NewClient) -> None:
    server.replies(documents(*entries(0, 1)))
    with pytest.raises(SourceContractError, match="ignores the filter"):
        new_client().look_up(Collection.ENTRIES, f"{0:024x}")


def test_a_look_up_that_fails_is_no_deletion(server: MisbehavingServer, new_client: NewClient) -> None:
    server.replies(documents(), answer("", status=500))
    with pytest.raises(SourceUnavailableError):
        new_client().look_up(Collection.ENTRIES, FIRST_ID)


@pytest.mark.parametrize("collection", DAY_COLLECTIONS)
def test_has_older(server: MisbehavingServer, new_client: NewClient, collection: Collection) -> None:
    """Trap 14: a site that prunes has nothing before the window."""
    before = DAY.start
    earlier = iso_milliseconds(before - timedelta(milliseconds=1))
    site = RecordedSite(entries(DAY_START_MS), treatments(iso_milliseconds(before)))
    server.respond = site
    assert new_client().has_older(collection, before) is False
    site.entries += entries(DAY_START_MS - 1)
    site.treatments += treatments(earlier)
    assert new_client().has_older(collection, before) is True
    bound = {Collection.ENTRIES: ("date", "1728950400000")}.get(
        collection, ("created_at", "2024-10-15T00:00:00.000Z")
    )
    assert server.requests[0].query == {f"find[{bound[0]}][$lt]": bound[1], "count": "1"}


@pytest.mark.parametrize(
    ("collection", "document"),
    [
        (Collection.ENTRIES, {"date": DAY_START_MS}),
        (Collection.TREATMENTS, {"created_at": "2024-10-15T00:00:00.000Z"}),
    ],
)
def test_a_newer_document_does_not_prove_that_there_are_older_ones(
    server: MisbehavingServer, new_client: NewClient, collection: Collection, document: dict[str, Any]
) -> None:
    server.replies(documents(document))
    with pytest.raises(SourceContractError, match="ignores the filter"):
        new_client().has_older(collection, DAY.start)


# -------------------------------------------------------------------------------------- credentials


def test_nothing_is_sent_to_a_readable_site(server: MisbehavingServer, new_client: NewClient) -> None:
    new_client().read_window(DAY)
    assert {"api-secret", "authorization"}.isdisjoint(server.requests[0].headers)


def test_the_api_secret_is_sent_hashed(server: MisbehavingServer, new_client: NewClient) -> None:
    new_client(Credentials(api_secret="this is a test")).read_window(DAY)
    assert server.requests[0].headers["api-secret"] == "fa26be19de6bff93f70bc2308434e4a440bbad02"
    assert "authorization" not in server.requests[0].headers


class TokenSite:
    """Exchanges a token for web tokens that it can take back."""

    def __init__(self, refuses_token: bool = False) -> None:
        self.given = 0
        self.is_valid = True
        self.refuses_token = refuses_token

    def __call__(self, request: Request) -> Reply:
        if request.path == f"/api/v2/authorization/request/{TOKEN}" and not self.refuses_token:
            self.given += 1
            return answer(json.dumps({"token": f"jwt-{self.given}", "sub": "lake", "iat": 1, "exp": 2}))
        if self.is_valid and request.headers.get("authorization") == f"Bearer jwt-{self.given}":
            return answer("[]")
        return answer('{"status": 401, "message": "Unauthorized"}', status=401)


def test_a_token_is_exchanged_once(server: MisbehavingServer, new_client: NewClient) -> None:
    server.respond = TokenSite()
    client = new_client(Credentials(token=TOKEN))
    client.read_window(DAY)
    client.read_window(TREATMENTS)
    assert [request.path for request in server.requests] == [
        f"/api/v2/authorization/request/{TOKEN}",
        "/api/v1/entries.json",
        "/api/v1/treatments.json",
    ]
    assert "authorization" not in server.requests[0].headers


def test_an_exchange_that_has_expired_is_renewed_once(
    server: MisbehavingServer, new_client: NewClient
) -> None:
    server.respond = site = TokenSite()
    client = new_client(Credentials(token=TOKEN))
    client.read_window(DAY)
    site.given += 1  # what was given before is valid no more
    assert client.read_window(DAY).documents == ()
    assert site.given == 3
    assert len(server.requests) == 5  # exchange, read, refused read, exchange, read


def test_a_refusal_after_a_renewal_is_final(server: MisbehavingServer, new_client: NewClient) -> None:
    """Trap 7: authentication is never tried in a loop."""
    server.respond = site = TokenSite()
    client = new_client(Credentials(token=TOKEN))
    client.read_window(DAY)
    site.is_valid = False
    with pytest.raises(SourceRefusedError, match=r"check NIGHTSCOUT_TOKEN.*password of the site's conn"):
        client.read_window(DAY)
    assert len(server.requests) == 5


def test_a_fresh_exchange_is_not_renewed(
    server: MisbehavingServer, new_client: NewClient, clock: Clock
) -> None:
    server.respond = site = TokenSite()
    site.is_valid = False
    with pytest.raises(SourceRefusedError, match="answers 401"):
        new_client(Credentials(token=TOKEN)).read_window(DAY)
    assert len(server.requests) == 2
    assert clock.waits == []


def test_a_token_that_is_refused(server: MisbehavingServer, new_client: NewClient) -> None:
    """Trap 7: one request, an error that names the setting, and never an empty answer."""
    server.respond = TokenSite(refuses_token=True)
    with pytest.raises(SourceRefusedError, match="check NIGHTSCOUT_TOKEN") as caught:
        new_client(Credentials(token=TOKEN)).read_window(DAY)
    assert str(caught.value).startswith("site anna, /api/v2/authorization/request/: answers 401")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("credentials", "advice"),
    [
        (Credentials(api_secret="wrong"), "check NIGHTSCOUT_API_SECRET, with sites.yaml the password"),
        (Credentials(), "set NIGHTSCOUT_TOKEN or NIGHTSCOUT_API_SECRET, with sites.yaml the password"),
    ],
)
def test_a_refusal_names_what_to_check(
    server: MisbehavingServer, new_client: NewClient, credentials: Credentials, advice: str
) -> None:
    server.replies(answer("", status=401))
    with pytest.raises(SourceRefusedError, match=advice):
        new_client(credentials).read_window(DAY)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", ['{"token": 7}', "{}", "[]", "<html>", '{"token": "a b"}', '{"token": ""}'])
def test_an_exchange_that_gives_no_token(server: MisbehavingServer, new_client: NewClient, body: str) -> None:
    server.replies(answer(body))
    with pytest.raises(SourceContractError, match="instead of Nightscout's JSON"):
        new_client(Credentials(token=TOKEN), attempts=2).read_window(DAY)
    assert len(server.requests) == 2


# ------------------------------------------------------------------------------------ recorded answers


@pytest.fixture(scope="module")
def recorded(test_data: Path) -> dict[str, dict[str, Any]]:
    """The recorded calls of a real server, by title."""
    calls = json.loads((test_data / "ns_server_responses.json").read_text())["calls"]
    return {call["title"]: call for call in calls}


def reply(call: dict[str, Any]) -> Reply:
    """The recorded answer, byte for byte where it was JSON."""
    body = call["body"]
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    return answer(text, status=call["status"])


def test_the_request_and_answer_of_a_real_window(
    server: MisbehavingServer, new_client: NewClient, recorded: dict[str, dict[str, Any]]
) -> None:
    call = recorded["read back pair"]
    server.replies(reply(call))
    start = datetime(2024, 10, 15, tzinfo=UTC)
    window = Window("anna", Collection.ENTRIES, start, start + timedelta(seconds=100))
    read = new_client(page_count=5).read_window(window)
    assert read.request == call["url"]
    assert [json.loads(text) for text in read.documents] == call["body"]


@pytest.mark.parametrize(
    "title",
    [
        "find[date] ISO string",  # trap 3
        "find[date] epoch seconds",  # trap 3
        "dateString with -04:00 bound (wants 04:00Z..04:00Z)",
        "find with no count",  # trap 4
    ],
)
def test_real_answers_to_wrong_filters_are_noticed(
    server: MisbehavingServer, new_client: NewClient, recorded: dict[str, dict[str, Any]], title: str
) -> None:
    server.replies(reply(recorded[title]))
    window = Window("anna", Collection.ENTRIES, DAY.start - timedelta(days=5), DAY.start)
    with pytest.raises(SourceContractError, match="ignores the filter"):
        new_client().read_window(window)


@pytest.mark.parametrize(
    ("title", "what"),
    [
        ("get find created_at garbage", "an empty body"),  # trap 8
        ("no ext, Accept */*", "tab-separated text"),  # trap 6
        ("GET profile/current", "a JSON object"),
        ("v3 entries default", "a JSON object"),
    ],
)
def test_real_answers_that_are_no_documents(
    server: MisbehavingServer,
    new_client: NewClient,
    recorded: dict[str, dict[str, Any]],
    title: str,
    what: str,
) -> None:
    server.replies(reply(recorded[title]))
    with pytest.raises(SourceContractError, match=f"answers with {what} instead of"):
        new_client().read_window(TREATMENTS)


def test_real_refusals_and_errors(
    server: MisbehavingServer, new_client: NewClient, recorded: dict[str, dict[str, Any]]
) -> None:
    server.replies(reply(recorded["v3 no auth"]))
    with pytest.raises(SourceRefusedError):
        new_client().read_window(DAY)
    server.replies(reply(recorded["count=abc"]))
    with pytest.raises(SourceUnavailableError, match="answers 500"):
        new_client().read_window(DAY)


def test_the_zone_of_a_real_profile(
    server: MisbehavingServer, new_client: NewClient, recorded: dict[str, dict[str, Any]]
) -> None:
    server.replies(reply(recorded["GET profile"]))
    assert new_client().profile_zone() == "America/New_York"
    assert server.requests[0].path == "/api/v1/profile.json"


@pytest.mark.parametrize(
    "profiles",
    [
        [],
        [{}],
        [{"store": []}],
        [{"store": {"A": {}}, "defaultProfile": "A"}],
        [{"store": {"A": {"timezone": ""}}, "defaultProfile": "A"}],
        [{"store": {"A": {"timezone": 7}}, "defaultProfile": "A"}],
        [{"store": {"A": None}, "defaultProfile": "A"}],
        [{"store": {"A": {"timezone": "UTC"}}, "defaultProfile": "B"}],
    ],
)
def test_profiles_without_a_zone(
    server: MisbehavingServer, new_client: NewClient, profiles: list[dict[str, Any]]
) -> None:
    server.replies(documents(*profiles))
    assert new_client().profile_zone() is None


# ----------------------------------------------------------------------------------------- open_client


def site_at(url: str) -> Site:
    return Site("anna", url, (ZoneValidity("Europe/Berlin"),), Credentials())


def test_open_client_reads_the_site(server: MisbehavingServer) -> None:
    server.respond = RecordedSite(entries(DAY_START_MS))
    with open_client(site_at(server.url), Limits(attempts=1)) as client:
        read = client.read_window(DAY)
    assert ids(read.documents) == [f"{0:024x}"]
    assert read.fetched_at.utcoffset() == timedelta(0)


def test_the_profile_zone_as_a_hint(server: MisbehavingServer) -> None:
    profile = {"store": {"A": {"timezone": "Asia/Tokyo"}}, "defaultProfile": "A"}
    server.respond = in_turn(documents(profile), answer("", status=401))
    assert read_profile_zone(site_at(server.url)) == "Asia/Tokyo"
    assert read_profile_zone(site_at(server.url)) is None
    assert len(server.requests) == 2


def test_the_demo_site_is_served_while_its_client_is_open() -> None:
    demo = Site("demo", "", (ZoneValidity("Europe/Berlin"),), Credentials(), is_demo=True)
    with open_client(demo) as client:
        read = client.read_window(DAY)
        documents_read = [json.loads(text) for text in read.documents]
        assert len(documents_read) > 200
        assert all(selects(DAY, each) for each in documents_read)
        first = documents_read[0]
        assert [json.loads(text) for text in client.look_up(Collection.ENTRIES, first["_id"]).documents] == [
            first
        ]
        assert client.look_up(Collection.ENTRIES, "0" * 24).documents == ()
        assert client.has_older(Collection.ENTRIES, DAY.start)
        assert not client.has_older(Collection.ENTRIES, datetime(2019, 12, 1, tzinfo=UTC))
        assert client.read_window(TREATMENTS).documents
        assert client.profile_zone()
    assert milliseconds(DAY.start) == DAY_START_MS
