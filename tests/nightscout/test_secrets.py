"""Trap 22: a planted secret is in no message, repr, traceback or debug log, whatever the site does."""

import hashlib
import html
import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any
from urllib.parse import quote

import pytest

from include.errors import SourceError
from include.nightscout.client import Client
from include.nightscout.sites import Credentials
from include.nightscout.windows import Collection, Window
from tests.nightscout.conftest import NOW
from tests.nightscout.misbehaving import (
    MisbehavingServer,
    Reply,
    Request,
    Respond,
    answer,
    cut_short,
    drip,
    hang,
    reset,
)
from tests.nightscout.test_windows import DAY

TOKEN = "canary&co-0123456789abcdef"
API_SECRET = "canary <secret> 'of' 4711"
DIGEST = hashlib.sha1(API_SECRET.encode()).hexdigest()  # noqa: S324
JSON_WEB_TOKEN = "eyCanary.eyCanary.Canary-4711"
KNOWN = {  # what a client knows, and a server may repeat, at each stage
    "exchange": (TOKEN,),
    "token": (TOKEN, JSON_WEB_TOKEN),
    "api secret": (API_SECRET, DIGEST, DIGEST.upper()),
}
FAULTS = (
    *("refused", "forbidden", "not found", "redirect", "too many requests", "server error"),
    *("HTML", "text", "an object", "a scalar", "half a JSON", "an empty body"),
    *("hang", "drip", "reset", "cut short", "oversize", "other documents", "a token with a line break"),
)


def fault_named(name: str, stage: str) -> Reply:
    """The fault, with every secret of the stage in every form in which a server may repeat it."""
    forms = [(secret, quote(secret, safe=""), html.escape(secret)) for secret in KNOWN[stage]]
    repeated = " ".join(form for each in forms for form in each)
    faults: dict[str, Reply] = {
        "refused": answer(json.dumps({"message": repeated}), status=401),
        "forbidden": answer(repeated, status=403),
        "not found": answer(repeated, status=404),
        "redirect": answer("", status=307, Location=f"https://anna.example/?token={quote(repeated)}"),
        "too many requests": answer(repeated, status=429, Retry_After="3600"),
        "server error": answer(repeated, status=500),
        "HTML": answer(f"<p>{repeated}</p>"),
        "text": answer(repeated),
        "an object": answer(json.dumps({"message": repeated})),
        "a scalar": answer(json.dumps(repeated)),
        "half a JSON": answer(json.dumps([{"note": repeated}])[:-3]),
        "an empty body": answer(""),
        "hang": hang,
        "drip": drip,
        "reset": reset(b"["),
        "cut short": cut_short(b"[", promised=100),
        "oversize": answer(b" " * 1_000_001),
        "other documents": answer(json.dumps([{"_id": repeated, "date": 0, "created_at": ""}])),
        "a token with a line break": answer(json.dumps({"token": f"{JSON_WEB_TOKEN}\r\nX: {TOKEN}"})),
    }
    return faults[name]


EXCHANGED = answer(json.dumps({"token": JSON_WEB_TOKEN}))


def after_exchange(fault: Reply) -> Respond:
    """A site that exchanges tokens and then shows the fault."""

    def respond(request: Request) -> Reply:
        return EXCHANGED if request.path.startswith("/api/v2/authorization/") else fault

    return respond


def frames(trace: TracebackType | None) -> Iterator[FrameType]:
    for frame, _ in traceback.walk_tb(trace):
        if "/tests/" not in frame.f_code.co_filename:
            yield frame


def everything_shown(error: BaseException) -> str:
    """Messages and tracebacks of the error and all it came from, with the value of every variable."""
    shown = []
    left: list[BaseException | None] = [error]
    while left:
        current = left.pop()
        if current is not None:
            shown += [str(current), repr(current), *traceback.format_exception(current)]
            shown += [repr(frame.f_locals) for frame in frames(current.__traceback__)]
            left += [current.__cause__, current.__context__]
    return "\n".join(shown)


def assert_silent(text: str) -> None:
    assert "canary" not in text.lower()
    assert DIGEST not in text.lower()


@pytest.fixture
def debug_log(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What every logger of the process has said, with the arguments of each record."""
    caplog.set_level(logging.DEBUG)

    def said() -> str:
        return "\n".join(f"{record.getMessage()} {record.args!r}" for record in caplog.records)

    return said


def fail(client: Client) -> None:
    """Makes every kind of request; each must fail."""
    treatments = Window("anna", Collection.TREATMENTS, DAY.start, DAY.end)
    requests: list[Callable[[], Any]] = [
        lambda: client.read_window(DAY),
        lambda: client.read_window(treatments),
        lambda: client.look_up(Collection.ENTRIES, "6b00fa03a98e33da1e8b66e0"),
    ]
    for request in requests:
        with pytest.raises(SourceError) as caught:
            request()
        assert_silent(everything_shown(caught.value))
    assert_silent(repr(client))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", ["exchange", "token", "api secret"])
def test_secrets_stay_secret(
    server: MisbehavingServer,
    new_client: Callable[..., Client],
    debug_log: Callable[[], str],
    fault: str,
    stage: str,
) -> None:
    credentials = Credentials(api_secret=API_SECRET) if stage == "api secret" else Credentials(token=TOKEN)
    reply = fault_named(fault, stage)
    server.respond = (lambda _: reply) if stage == "exchange" else after_exchange(reply)
    size_bytes = 10 if fault == "drip" else 1_000_000  # the clock stands still, so a drip ends by size
    fail(new_client(credentials, attempts=2, size_bytes=size_bytes, silence_seconds=0.05))
    assert server.requests
    assert_silent(debug_log())


@pytest.mark.parametrize("credentials", [Credentials(token=TOKEN), Credentials(api_secret=API_SECRET)])
def test_secrets_stay_secret_when_nobody_listens(
    new_client: Callable[..., Client], debug_log: Callable[[], str], credentials: Credentials
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    fail(new_client(credentials, url=f"http://127.0.0.1:{port}", attempts=2))
    assert_silent(debug_log())


@pytest.mark.parametrize("credentials", [Credentials(token=TOKEN), Credentials(api_secret=API_SECRET)])
def test_success_is_silent_too(
    server: MisbehavingServer,
    new_client: Callable[..., Client],
    debug_log: Callable[[], str],
    credentials: Credentials,
) -> None:
    server.respond = after_exchange(answer("[]"))
    answered = new_client(credentials).read_window(DAY)
    assert answered.fetched_at == NOW
    assert_silent(f"{answered!r} {credentials!r}")
    assert_silent(debug_log())
    assert "GET" in debug_log()  # the log was watched at all


def test_no_secret_is_sent_in_a_query(server: MisbehavingServer, new_client: Callable[..., Client]) -> None:
    server.respond = after_exchange(answer("[]"))
    for credentials in (Credentials(token=TOKEN), Credentials(api_secret=API_SECRET)):
        new_client(credentials).read_window(DAY)
    targets = [request.target for request in server.requests]
    assert targets[0] == f"/api/v2/authorization/request/{quote(TOKEN, safe='')}"
    for target in targets[1:]:
        assert_silent(target)


def test_what_is_quoted_is_masked(server: MisbehavingServer, new_client: Callable[..., Client]) -> None:
    server.replies(answer(f"<p>hello {API_SECRET} and {DIGEST.upper()}, goodbye</p>"))
    with pytest.raises(SourceError, match=r"<p>hello \*\*\* and \*\*\*, goodbye</p>"):
        new_client(Credentials(api_secret=API_SECRET)).read_window(DAY)
