"""Ports of loopback that nobody uses."""

import random
import socket
from contextlib import suppress

SYSTEM_RANDOM = random.SystemRandom()  # Hypothesis seeds the other one: two workers would try the same ports


def free_port() -> int:
    """A port that was free a moment ago, and that the system does not hand out to outgoing connections."""
    while True:
        port = SYSTEM_RANDOM.randrange(15_000, 30_000)
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
