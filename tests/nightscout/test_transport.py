"""Requests: what is tried again, how long, and what a person is told in the end."""

import gzip
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from include.errors import (
    SourceContractError,
    SourceError,
    SourceRefusedError,
    SourceUnavailableError,
)
from include.nightscout.bodies import documents_in
from include.nightscout.transport import Transport
from tests.nightscout.conftest import Clock
from tests.nightscout.misbehaving import (
    MisbehavingServer,
    Reply,
    answer,
    cut_short,
    documents,
    drip,
    endless,
    hang,
    misbehaving_server,
    reset,
)

REQUEST = "/api/v1/entries.json?find[date][$gte]=1&count=10"
NewTransport = Callable[..., Transport]
PLACES = "in NIGHTSCOUT_URL, or with sites.yaml in the host of the site's connection"
CHECK = f"check whether the site is up, and the address {PLACES}"


def ask(transport: Transport) -> list[str]:
    return [document.text for document in transport.get(REQUEST, documents_in, None)]


def refusal(transport: Transport, error: type[SourceError]) -> str:
    with pytest.raises(error) as caught:
        ask(transport)
    assert type(caught.value) is error
    assert str(caught.value).startswith("site anna, /api/v1/entries.json: ")
    return str(caught.value)


def test_a_good_answer_needs_one_request(
    server: MisbehavingServer, new_transport: NewTransport, clock: Clock
) -> None:
    server.replies(documents({"_id": "1"}, {"_id": "2"}))
    assert ask(new_transport()) == ['{"_id":"1"}', '{"_id":"2"}']
    (request,) = server.requests
    assert request.path == "/api/v1/entries.json"
    assert request.query == {"find[date][$gte]": "1", "count": "10"}
    assert request.headers["accept"] == "application/json"
    assert clock.waits == []


def test_a_site_below_a_path(server: MisbehavingServer, new_transport: NewTransport) -> None:
    assert ask(new_transport(url=f"{server.url}/anna")) == []
    assert server.requests[0].path == "/anna/api/v1/entries.json"


def test_packed_answers_are_unpacked(server: MisbehavingServer, new_transport: NewTransport) -> None:
    server.replies(answer(gzip.compress(b'[{"_id": "1"}]'), Content_Encoding="gzip"))
    assert ask(new_transport()) == ['{"_id":"1"}']


# ---------------------------------------------------------------------------------- faults that pass


@pytest.mark.parametrize(
    "fault",
    [
        answer("", status=408),
        answer("", status=425),
        answer("", status=429),
        answer("", status=429, Retry_After="soon"),
        answer("Mongo Error", status=500),
        answer("<html>", status=502),
        answer("<html>", status=503),
        answer("", status=599),
        answer("<html>waking up</html>"),  # trap 8
        answer(""),  # trap 8
        answer('[{"_id": "1"'),
        cut_short(b'[{"_id": "1"}]', promised=1000),
        reset(b'[{"_id": "1"'),
        hang,
        answer(b"not gzip at all", Content_Encoding="gzip"),
    ],
)
def test_faults_that_pass_are_tried_again(
    server: MisbehavingServer, new_transport: NewTransport, clock: Clock, fault: Reply
) -> None:
    server.replies(fault, fault, documents({"_id": "2"}))
    assert ask(new_transport()) == ['{"_id":"2"}']
    assert len(server.requests) == 3
    first, second = clock.waits
    assert 0.5 <= first <= 1 <= second <= 2  # grows, with jitter


def test_waits_differ_between_clients(
    server: MisbehavingServer, new_transport: NewTransport, clock: Clock
) -> None:
    server.replies(answer("", status=503))
    for _ in range(3):
        refusal(new_transport(), SourceUnavailableError)
    assert len(set(clock.waits)) == len(clock.waits) == 12


def test_attempts_are_bounded(server: MisbehavingServer, new_transport: NewTransport, clock: Clock) -> None:
    server.replies(answer("", status=503))
    said = refusal(new_transport(attempts=4), SourceUnavailableError)
    assert said.endswith("answers 503: the site or its host has trouble (4 attempts)")
    assert len(server.requests) == 4
    assert len(clock.waits) == 3


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 8),
        ("Wed, 16 Oct 2024 07:00:20 GMT", 20, 21),  # the clock says 07:00:00
        ("Wed, 16 Oct 2024 06:00:00 GMT", 0, 1),
        ("0", 0, 1),
        ("-5", 0.5, 1),  # none of the two forms: as without
        ("nan", 0.5, 1),
        ("Wed, 99 Oct 2024", 0.5, 1),
        ("Wed, 16 Oct 2024 07:00:20", 0.5, 1),
    ],
)
def test_retry_after_in_both_forms(
    server: MisbehavingServer,
    new_transport: NewTransport,
    clock: Clock,
    header: str,
    least: float,
    most: float,
) -> None:
    server.replies(answer("", status=429, Retry_After=header), documents())
    assert ask(new_transport()) == []
    (wait,) = clock.waits
    assert least <= wait <= most


@pytest.mark.parametrize("header", ["61", "3600", "Wed, 16 Oct 2024 08:00:00 GMT", "9" * 400])
def test_a_wait_that_is_too_long_is_not_begun(
    server: MisbehavingServer, new_transport: NewTransport, clock: Clock, header: str
) -> None:
    server.replies(answer("", status=429, Retry_After=header), documents())
    said = refusal(new_transport(deadline_seconds=100_000), SourceUnavailableError)
    assert "asks to wait" in said
    assert len(server.requests) == 1
    assert clock.waits == []


def test_waits_grow_up_to_the_longest(
    server: MisbehavingServer, new_transport: NewTransport, clock: Clock
) -> None:
    server.replies(answer("", status=503))
    refusal(new_transport(attempts=7, longest_wait_seconds=4), SourceUnavailableError)
    assert all(wait <= 4 for wait in clock.waits)
    assert all(wait >= 2 for wait in clock.waits[2:])
    assert len(clock.waits) == 6


def test_no_wait_crosses_the_deadline(
    server: MisbehavingServer, new_transport: NewTransport, clock: Clock
) -> None:
    server.replies(answer("", status=503, Retry_After="40"))
    refusal(new_transport(deadline_seconds=100, attempts=50), SourceUnavailableError)
    assert len(clock.waits) == 2
    assert clock.seconds < 100


# ------------------------------------------------------------------------------------- slow and long


def test_a_site_that_hangs(server: MisbehavingServer, new_transport: NewTransport) -> None:
    server.replies(hang)
    said = refusal(new_transport(attempts=2), SourceUnavailableError)
    assert "gave no answer (ReadTimeoutError)" in said
    assert "whether the site is up" in said
    assert len(server.requests) == 2


def test_a_body_that_drips_is_cut_off(
    server: MisbehavingServer, new_transport: NewTransport, clock: Clock
) -> None:
    server.replies(drip)
    clock.step = 1
    said = refusal(new_transport(deadline_seconds=30), SourceUnavailableError)
    assert said.endswith("needs more than 30 seconds for one answer")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reply", [endless, answer(gzip.compress(b"[" + b" " * 2_000_000 + b"]"), Content_Encoding="gzip")]
)
def test_a_body_without_end(server: MisbehavingServer, new_transport: NewTransport, reply: Reply) -> None:
    server.replies(reply)
    said = refusal(new_transport(size_bytes=1_000_000), SourceContractError)
    assert said.endswith("sends more than 1000000 bytes in one answer")
    assert len(server.requests) == 1


# ------------------------------------------------------------------------------ faults that do not pass


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_not_tried_again(
    server: MisbehavingServer, new_transport: NewTransport, clock: Clock, status: int
) -> None:
    """Trap 7: each failed authentication makes the site slower, so there is one."""
    server.replies(answer('{"status": 401, "message": "Unauthorized"}', status=status))
    said = refusal(new_transport(), SourceRefusedError)
    assert f"answers {status}" in said
    assert "NIGHTSCOUT_TOKEN" in said
    assert len(server.requests) == 1
    assert clock.waits == []


@pytest.mark.parametrize("status", [204, 206, 304, 400, 404, 410])
def test_other_statuses_are_final(
    server: MisbehavingServer, new_transport: NewTransport, status: int
) -> None:
    server.replies(answer("", status=status))
    said = refusal(new_transport(), SourceContractError)
    assert f"answers {status}: check that the address {PLACES}, is that of a Nightscout site" in said
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_https_is_a_setting(
    server: MisbehavingServer, new_transport: NewTransport, status: int
) -> None:
    """Trap 6: plain http is answered by a redirect; following it would send the secret twice."""
    server.replies(answer("", status=status, Location="https://anna.example/api/v1/entries.json"))
    said = refusal(new_transport(), SourceContractError)
    assert said.endswith(f"answers with a redirect to https: use https {PLACES}")
    assert len(server.requests) == 1


def test_a_redirect_elsewhere_is_not_followed(server: MisbehavingServer, new_transport: NewTransport) -> None:
    server.replies(answer("", status=302, Location=f"{server.url}/elsewhere"), documents({"_id": "1"}))
    said = refusal(new_transport(), SourceContractError)
    assert said.endswith(f"a redirect to another address: use that one {PLACES}")
    assert len(server.requests) == 1


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("", "an empty body"),
        (" \n ", "an empty body"),
        ("<html>\n<b>Your app</b> is  asleep</html>", "HTML instead of Nightscout's JSON: '<html> <b>Your"),
        ("Application error", "text instead of Nightscout's JSON: 'Application error'"),
        ('"2024-10-18T23:59:59.999Z"\t1729295999999\t179\t"Flat"', "tab-separated text"),  # trap 6
        ('[{"sgv": 123}, {"sgv"', "JSON that is cut off or damaged after 21 bytes"),
        ('{"status": 200, "result": [{"sgv": 123}]}', "a JSON object instead"),
        ('{"status": 500, "message": "Mongo Error"}', "JSON: 'Mongo Error'"),
        ("[1, 2]", "a JSON array of 2 items of type int"),
        ('[{"_id": "1"}, null]', "a JSON array of 2 items of type NoneType, dict"),
        ("null", "a single JSON value of type NoneType"),
        ("NaN", "a single JSON value of type float"),
        ('"[]"', "a single JSON value of type str"),
        (b"\xff\xfe\x00", "text"),
        ("[" * 100_000, "JSON that is cut off or damaged"),
    ],
)
def test_what_came_instead_of_documents(
    server: MisbehavingServer, new_transport: NewTransport, body: str | bytes, what: str
) -> None:
    """Trap 8: a 200 without documents is an error, never an empty window. Documents are not quoted."""
    server.replies(answer(body))
    said = refusal(new_transport(attempts=2), SourceContractError)
    assert f"answers with {what}" in said or what in said
    assert said.endswith(" (2 attempts)")
    assert "123" not in said
    assert "179" not in said
    assert len(server.requests) == 2


def test_a_long_page_is_quoted_in_part(server: MisbehavingServer, new_transport: NewTransport) -> None:
    server.replies(answer("<p>" + "x" * 500))
    said = refusal(new_transport(attempts=1), SourceContractError)
    assert said.endswith("'<p>" + "x" * 197 + "'")


# ------------------------------------------------------------------------------------- no such server


def test_a_closed_port(new_transport: NewTransport, clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said = refusal(new_transport(url=f"http://127.0.0.1:{port}"), SourceUnavailableError)
    assert f"gave no answer (NewConnectionError): {CHECK}" in said
    assert str(port) not in said
    assert len(clock.waits) == 4


def test_an_unknown_host(new_transport: NewTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = refusal(new_transport(url="http://anna.invalid"), SourceUnavailableError)
    assert f"gave no answer (NameResolutionError): {CHECK}" in said
    assert "invalid" not in said


def test_https_to_a_server_without_it(server: MisbehavingServer, new_transport: NewTransport) -> None:
    url = server.url.replace("http:", "https:")
    said = refusal(new_transport(url=url, connect_seconds=0.2, attempts=2), SourceUnavailableError)
    assert "gave no answer" in said
    assert server.requests == []


def test_a_certificate_that_nobody_signed(new_transport: NewTransport, tmp_path: Path, clock: Clock) -> None:
    with misbehaving_server(self_signed(tmp_path)) as server:
        url = server.url.replace("http:", "https:")
        said = refusal(new_transport(url=url), SourceUnavailableError)
    assert said.endswith("has no valid certificate for https (SSLCertVerificationError)")
    assert server.requests == []
    assert clock.waits == []


def self_signed(folder: Path) -> ssl.SSLContext:
    """The certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    day = timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - day)
        .not_valid_after(datetime.now(UTC) + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


# --------------------------------------------------------------------------- nothing from the machine


def test_no_proxy_and_no_netrc_of_the_machine(
    server: MisbehavingServer,
    new_transport: NewTransport,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    assert ask(new_transport()) == []
    assert "authorization" not in server.requests[0].headers
