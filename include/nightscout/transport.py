"""GET requests to one site: bounded in time and size, tried again where that can help, silent on secrets."""

import logging
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self, TypeVar

import requests
import urllib3
from requests.auth import AuthBase

from include.errors import SourceContractError, SourceError, SourceRefusedError, SourceUnavailableError
from include.nightscout.authentication import EXCHANGE_REQUEST, MASK, Authentication
from include.nightscout.bodies import UnusableBodyError
from include.nightscout.windows import utc_now

Parsed = TypeVar("Parsed")

CHUNK_BYTES = 65536
EXCERPT_LENGTH = 200
PASSING_STATUSES = (408, 425, 429)
PLACES_OF_ADDRESS = "in NIGHTSCOUT_URL, or with sites.yaml in the host of the site's connection"


@dataclass(frozen=True)
class Limits:
    """What one question to a site may cost, all its attempts together where nothing else is said."""

    connect_seconds: float = 10
    silence_seconds: float = 30  # longest pause inside one answer
    deadline_seconds: float = 300
    longest_wait_seconds: float = 60  # between two attempts
    size_bytes: int = 256 * 2**20  # of one answer, unpacked
    attempts: int = 5


class Fault(Exception):  # noqa: N818 - one attempt's, not an error yet
    """Why one attempt failed. `is_passing`: another one may succeed, after `retry_after` seconds if given."""

    def __init__(
        self,
        error: type[SourceError],
        sentence: str,
        *,
        is_passing: bool = True,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(sentence)
        self.error = error
        self.sentence = sentence
        self.is_passing = is_passing
        self.retry_after = retry_after


class Transport:
    """One session with one site. Its errors name the site and the path, and never quote URL or secrets."""

    def __init__(
        self,
        site_id: str,
        url: str,
        authentication: Authentication,
        limits: Limits | None = None,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._site_id = site_id
        self._url = url
        self._limits = limits or Limits()
        self._authentication = authentication
        self._sleep = sleep
        self._clock = clock
        self._now = now
        self._session = requests.Session()
        self._session.trust_env = False  # no .netrc, and no proxy that nobody set for this project
        self._session.headers["Accept"] = "application/json"
        logging.getLogger("urllib3.connectionpool").addFilter(_hide_token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def get(self, request: str, parse: Callable[[bytes], Parsed], proof: AuthBase | None) -> Parsed:
        """What `parse` makes of the body that answers `request` (path and query, completed by `proof`).

        Tries again after faults that pass: 408, 425, 429 (after Retry-After), 5xx, broken connections and
        bodies that `parse` refuses with UnusableBodyError. Raises SourceRefusedError for 401 and 403,
        SourceUnavailableError when faults do not pass, SourceContractError when this is no Nightscout.
        """
        deadline = self._clock() + self._limits.deadline_seconds
        attempt = 1
        while isinstance(outcome := self._attempt(request, parse, proof, deadline), Fault):
            wait = self._wait(outcome, attempt, deadline)
            if wait is None:
                raise self._error(outcome, request, attempt)
            self._sleep(wait)
            attempt += 1
        return outcome

    def _attempt(
        self, request: str, parse: Callable[[bytes], Parsed], proof: AuthBase | None, deadline: float
    ) -> Parsed | Fault:
        """One request. A fault is returned, not raised: its causes quote the URL and must not travel on."""
        left = max(deadline - self._clock(), 0.001)
        timeout = (min(self._limits.connect_seconds, left), min(self._limits.silence_seconds, left))
        try:
            with self._session.get(
                self._url + request, auth=proof, stream=True, allow_redirects=False, timeout=timeout
            ) as response:
                self._check_status(response)
                return parse(self._body(response, deadline))
        except Fault as fault:
            return fault
        except UnusableBodyError as body:
            return Fault(SourceContractError, self._what_came(body))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return _broken(error)

    def _check_status(self, response: requests.Response) -> None:
        """Returns for 200; raises the Fault of any other status."""
        status = response.status_code
        if status in (401, 403):
            raise Fault(
                SourceRefusedError, f"answers {status}: {self._authentication.advice}", is_passing=False
            )
        if status in PASSING_STATUSES or status >= 500:
            wait = self._retry_after(response.headers.get("Retry-After", ""))
            raise Fault(
                SourceUnavailableError,
                f"answers {status}: the site or its host has trouble",
                retry_after=wait,
            )
        if response.is_redirect:
            to_https = response.headers["Location"].lower().startswith("https:") and self._url[:5] == "http:"
            advice = "https: use https" if to_https else "another address: use that one"
            sentence = f"answers with a redirect to {advice} {PLACES_OF_ADDRESS}"
            raise Fault(SourceContractError, sentence, is_passing=False)
        if status != 200:
            advice = f"check that the address {PLACES_OF_ADDRESS}, is that of a Nightscout site"
            raise Fault(SourceContractError, f"answers {status}: {advice}", is_passing=False)

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        """The whole body, unpacked. Raises the Fault of one that is too long or too slow.

        One that is shorter than its Content-Length is an error of urllib3.
        """
        body = bytearray()
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > self._limits.size_bytes:
                sentence = f"sends more than {self._limits.size_bytes} bytes in one answer"
                raise Fault(SourceContractError, sentence, is_passing=False)
            if self._clock() > deadline:
                sentence = f"needs more than {self._limits.deadline_seconds:g} seconds for one answer"
                raise Fault(SourceUnavailableError, sentence, is_passing=False)
        return bytes(body)

    def _retry_after(self, header: str) -> float | None:
        """Seconds that a Retry-After header asks for, in either of its forms; None when there is none."""
        if header.strip().isdecimal():
            return float(header)
        try:
            return max((parsedate_to_datetime(header) - self._now()).total_seconds(), 0)
        except (ValueError, TypeError):
            return None

    def _wait(self, fault: Fault, attempt: int, deadline: float) -> float | None:
        """Seconds until the next attempt; None when there is to be none."""
        if not fault.is_passing or attempt == self._limits.attempts:
            return None
        longest = self._limits.longest_wait_seconds
        if fault.retry_after is None:
            wait = random.uniform(0.5, 1) * min(2 ** (attempt - 1), longest)  # noqa: S311
        else:
            wait = fault.retry_after + random.uniform(0, 1)  # noqa: S311
        is_bearable = (fault.retry_after or 0) <= longest and self._clock() + wait < deadline
        return wait if is_bearable else None

    def _what_came(self, body: UnusableBodyError) -> str:
        """What to say about a body that is not what was asked for."""
        text = " ".join(self._authentication.mask(body.text).split())[:EXCERPT_LENGTH]
        return f"answers with {body.what} instead of Nightscout's JSON" + (f": {text!r}" if text else "")

    def _error(self, fault: Fault, request: str, attempts: int) -> SourceError:
        path = request.partition("?")[0]
        tried = f" ({attempts} attempts)" if attempts > 1 else ""
        asked = f", asks to wait {fault.retry_after:.0f} seconds" if fault.retry_after is not None else ""
        return fault.error(f"site {self._site_id}, {path}: {fault.sentence}{asked}{tried}")


def _broken(error: Exception) -> Fault:
    """The Fault of a request that got no whole answer. Only the class of the innermost cause is named."""
    cause: object = error
    while isinstance(cause, Exception):
        name = type(cause).__name__
        cause = getattr(cause, "reason", None) or next(iter(cause.args), None)
    if "CertVerification" in name:
        return Fault(SourceUnavailableError, f"has no valid certificate for https ({name})", is_passing=False)
    return Fault(
        SourceUnavailableError,
        f"gave no answer ({name}): check whether the site is up, and the address {PLACES_OF_ADDRESS}",
    )


def _hide_token(record: logging.LogRecord) -> bool:
    """A filter of urllib3's debug log, which writes the path of every request."""
    if isinstance(record.args, tuple):
        shown = re.escape(EXCHANGE_REQUEST) + r"[^\s?]+"
        record.args = tuple(
            re.sub(shown, EXCHANGE_REQUEST + MASK, item) if isinstance(item, str) else item
            for item in record.args
        )
    return True
