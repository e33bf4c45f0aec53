"""A misbehaving site, and clients of it that never really wait."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from include.nightscout.authentication import Authentication
from include.nightscout.client import Client
from include.nightscout.sites import Credentials
from include.nightscout.transport import Limits, Transport
from tests.nightscout.misbehaving import MisbehavingServer, misbehaving_server

NOW = datetime(2024, 10, 16, 7, 0, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Time that passes only while somebody sleeps, or by `step` seconds whenever somebody looks."""

    seconds: float = 0
    step: float = 0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        self.seconds += self.step
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with misbehaving_server() as server:
        yield server


@pytest.fixture
def new_transport(server: MisbehavingServer, clock: Clock) -> Iterator[Callable[..., Transport]]:
    """Makes transports to the misbehaving server; keyword `url` names another one."""
    with ExitStack() as stack:

        def make(
            url: str | None = None, authentication: Authentication | None = None, **limits: Any
        ) -> Transport:
            return stack.enter_context(
                Transport(
                    "anna",
                    url or server.url,
                    authentication or Authentication(Credentials()),
                    Limits(**{"silence_seconds": 0.2, **limits}),
                    sleep=clock.sleep,
                    clock=clock,
                    now=lambda: NOW,
                )
            )

        yield make


@pytest.fixture
def new_client(new_transport: Callable[..., Transport]) -> Callable[..., Client]:
    """Makes clients of the misbehaving server; `credentials`, `page_count`, `url` and limits by keyword."""

    def make(credentials: Credentials | None = None, page_count: int = 100, **options: Any) -> Client:
        authentication = Authentication(credentials or Credentials())
        transport = new_transport(authentication=authentication, **options)
        return Client("anna", transport, authentication, now=lambda: NOW, page_count=page_count)

    return make
