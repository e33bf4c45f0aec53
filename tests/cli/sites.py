"""Sites for tests of the whole program: a healthy one that can be made to fail, on an address that stays."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import requests

from include.nightscout.demo.documents import newest_first
from include.nightscout.demo.server import serve
from include.nightscout.demo.versions import Document, ObjectId
from include.nightscout.windows import milliseconds
from tests.nightscout.misbehaving import MisbehavingServer, Reply, Request, answer, misbehaving_server

NOW = datetime(2024, 10, 20, 12, tzinfo=UTC)
BAD_AT = datetime(2024, 10, 15, 12, 3, tzinfo=UTC)
BAD_ID = "0123456789abcdef01234567"
BAD: Document = {
    "_id": ObjectId(BAD_ID),
    "type": "sgv",
    "sgv": "LOW",
    "date": milliseconds(BAD_AT),
    "dateString": BAD_AT.isoformat(),
    "device": "[/bold] a device with brackets",
}


def with_a_bad_document(collection: str, earliest: float, latest: float, now: float) -> Iterator[Document]:
    """The demo person's documents and one without a usable value."""
    if collection == "entries":
        yield BAD
    yield from newest_first(collection, earliest, latest, now)


class Front:
    """Passes requests on to a healthy site, or answers itself."""

    def __init__(self, server: MisbehavingServer, behind: str) -> None:
        self.server = server
        self._behind = behind
        self.recover()

    @property
    def url(self) -> str:
        return self.server.url

    def recover(self) -> None:
        self.server.respond = self._pass_on

    def _pass_on(self, request: Request) -> Reply:
        wanted = {"Accept": "application/json"}
        found = requests.get(self._behind + request.target, headers=wanted, timeout=30)
        return answer(found.content, found.status_code, Content_Type=found.headers["Content-Type"])


@contextmanager
def fronted_site() -> Iterator[Front]:
    with serve(lambda: NOW, archive=with_a_bad_document) as behind, misbehaving_server() as server:
        yield Front(server, behind)
