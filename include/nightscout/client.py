"""Reads one Nightscout site through API v1."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from include.errors import SettingsError, SourceContractError, SourceError, SourceRefusedError
from include.nightscout.authentication import EXCHANGE_REQUEST, Authentication, json_web_token_in
from include.nightscout.bodies import Document, documents_in
from include.nightscout.kept_parts import kept_part
from include.nightscout.questions import (
    contradicts,
    look_up_requests,
    older_request,
    path_of,
    whole_request,
    window_request,
)
from include.nightscout.sites import Site
from include.nightscout.transport import Limits, Transport
from include.nightscout.windows import EPOCH, MILLISECOND, Collection, Window, milliseconds, utc_now

Parsed = TypeVar("Parsed")

PAGE_COUNT = 20_000  # 31 days of a reading every five minutes are 9,000, of one a minute 45,000
HINT_LIMITS = Limits(connect_seconds=5, silence_seconds=10, deadline_seconds=15, attempts=1)


@dataclass(frozen=True)
class Answer:
    """What a site answered to one question.

    `request` is path and query, without host and secret; `documents` are the JSON texts of the documents;
    `fetched_at` is the instant (UTC) just before the first request was sent.
    """

    request: str
    documents: tuple[str, ...]
    fetched_at: datetime


class Client:
    """Asks one site. Every method raises SourceError: refused, unavailable, or no Nightscout at all."""

    def __init__(
        self,
        site_id: str,
        transport: Transport,
        authentication: Authentication,
        *,
        now: Callable[[], datetime] = utc_now,
        page_count: int = PAGE_COUNT,
    ) -> None:
        self._site_id = site_id
        self._transport = transport
        self._authentication = authentication
        self._now = now
        self._page_count = page_count

    def read_window(self, window: Window) -> Answer:
        """Every document that the window's filter selects, in the order of the requests; all documents of a
        collection that is read whole.

        A full page may have been cut: its window is asked again in two halves. A document that the filter
        cannot have selected means that the site ignores it, and nothing it says about a window is used.
        """
        fetched_at = self._now()
        if window.collection.is_read_whole:
            request = whole_request(window.collection, self._page_count)
            documents = self._read_whole(window.collection)
        else:
            request = window_request(window, self._page_count)
            documents = self._read(window)
        return Answer(request, tuple(document.text for document in documents), fetched_at)

    def look_up(self, collection: Collection, document_id: str) -> Answer:
        """The document with this `_id`, wherever its date has moved; no documents when the site has none.

        `request` is the one that found it, else the last one.
        """
        fetched_at = self._now()
        if collection.is_read_whole:
            request = whole_request(collection, self._page_count)
            listed = self._read_whole(collection)
            found = tuple(each.text for each in listed if each.content.get("_id") == document_id)
            return Answer(request, found, fetched_at)
        for request in look_up_requests(collection, document_id):
            documents = self._documents(request, collection)
            if any(document.content.get("_id") != document_id for document in documents):
                raise self._ignored_filter(collection)
            if documents:
                break
        return Answer(request, tuple(document.text for document in documents), fetched_at)

    def has_older(self, collection: Collection, before: datetime) -> bool:
        """Whether the site still holds anything of the collection from before this instant; no for one that
        is read whole, since what is older was read with the rest."""
        if collection.is_read_whole:
            return False
        documents = self._documents(older_request(collection, before), collection)
        if any(contradicts(document.content, collection, None, before) for document in documents):
            raise self._ignored_filter(collection)
        return bool(documents)

    def profile_zone(self) -> str | None:
        """The time zone that the newest profile names, unchecked; None when it names none."""
        profiles = self._get("/api/v1/profile.json?count=1", documents_in)
        newest = profiles[0].content if profiles else {}
        store = newest.get("store")
        profile = store.get(newest.get("defaultProfile")) if isinstance(store, dict) else None
        zone = profile.get("timezone") if isinstance(profile, dict) else None
        return zone if isinstance(zone, str) and zone else None

    def _read(self, window: Window) -> list[Document]:
        """The documents of a window, from as many requests as it needs."""
        documents = self._documents(window_request(window, self._page_count), window.collection)
        for document in documents:
            if contradicts(document.content, window.collection, window.start, window.end):
                raise self._ignored_filter(window.collection)
        if len(documents) < self._page_count:
            return documents
        start, end = milliseconds(window.start), milliseconds(window.end)
        if end - start == 1:
            raise SourceContractError(
                f"site {self._site_id}, {path_of(window.collection)}: has {len(documents)} documents or more "
                f"of the same millisecond, {window.start.isoformat()}"
            )
        middle = EPOCH + (start + end) // 2 * MILLISECOND
        first = Window(window.site_id, window.collection, window.start, middle)
        second = Window(window.site_id, window.collection, middle, window.end)
        return self._read(first) + self._read(second)

    def _read_whole(self, collection: Collection) -> list[Document]:
        """All documents of a collection. A full page may have been cut, and cannot be asked for in parts."""
        documents = self._documents(whole_request(collection, self._page_count), collection)
        if len(documents) >= self._page_count:
            raise SourceContractError(
                f"site {self._site_id}, {path_of(collection)}: has {len(documents)} documents or more, which "
                "is more than can be read at once: delete those at the site that are of no use"
            )
        return documents

    def _documents(self, request: str, collection: Collection) -> list[Document]:
        """The documents of an answer, without what is never kept of this collection."""
        return [kept_part(collection, document) for document in self._get(request, documents_in)]

    def _get(self, request: str, parse: Callable[[bytes], Parsed]) -> Parsed:
        """The parsed answer. A token is exchanged first, and once more when what it gave is refused later."""
        was_exchanged = self._authentication.is_token and self._authentication.header is not None
        if self._authentication.is_token and not was_exchanged:
            self._exchange()
        try:
            return self._transport.get(request, parse, self._authentication.header)
        except SourceRefusedError:
            if not was_exchanged:
                raise
        self._exchange()
        return self._transport.get(request, parse, self._authentication.header)

    def _exchange(self) -> None:
        """Exchanges the access token for a JSON web token, valid for some hours."""
        given = self._transport.get(EXCHANGE_REQUEST, json_web_token_in, self._authentication.exchange())
        self._authentication.accept(given)

    def _ignored_filter(self, collection: Collection) -> SourceContractError:
        return SourceContractError(
            f"site {self._site_id}, {path_of(collection)}: answers with documents that were not asked for, "
            "so it ignores the filter and cannot be read"
        )


@contextmanager
def open_client(site: Site, limits: Limits | None = None) -> Iterator[Client]:
    """A client of the site, with one session while it is open; the demo site is served meanwhile.

    Raises SettingsError when the site's `problem` is that it cannot be asked.
    """
    if site.problem is not None:
        raise SettingsError(site.problem)
    authentication = Authentication(site.credentials)
    with ExitStack() as stack:
        url = site.url
        if site.is_demo:
            from include.nightscout.demo.server import serve

            url = stack.enter_context(serve())
        transport = stack.enter_context(Transport(site.site_id, url, authentication, limits))
        yield Client(site.site_id, transport, authentication)


def read_profile_zone(site: Site) -> str | None:
    """The zone of the site's profile as a hint for messages; None when it cannot be had quickly."""
    try:
        with open_client(site, HINT_LIMITS) as client:
            return client.profile_zone()
    except SourceError:
        return None
