"""A service: a program with its command, environment, configuration, ports and health."""

import hashlib
import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from include.errors import ServiceError
from include.stack.program import POLL_SECONDS, Program

HOST = "127.0.0.1"
READY_SECONDS = 120.0


@dataclass(frozen=True)
class Service:
    """How a program is started, and how it is known to be ready."""

    program: Program
    command: Sequence[str]
    environment: Mapping[str, str]
    """All it gets besides what every program needs; secrets are among it."""
    ports: Mapping[int, str]
    """Each port it listens on, with the setting that changes it."""
    configuration: Sequence[Path]
    """The files that it reads at its start."""
    is_ready: Callable[[], bool]
    left_over: Sequence[Path] = ()
    """What a killed process leaves behind that would keep the next one from starting."""

    def launch(self) -> None:
        """Start it, unless it runs with all of this unchanged. Raises ServiceError: a port is in use."""
        program = self.program
        started, fingerprint = program.folder / "started", self._fingerprint()
        alive = program.claim()
        if alive is None:
            unchanged = started.exists() and started.read_text() == fingerprint
            if unchanged and program.processes():
                return
            program.stop()  # a process that was killed may keep the lock for a moment after its files
            alive = program.claim()
        if alive is None:
            raise ServiceError(f"{program.name} was started by somebody else meanwhile: try again")
        with alive:
            self._check_ports()
            for path in self.left_over:
                path.unlink(missing_ok=True)
            started.write_text(fingerprint)
            program.spawn(alive, self.command, self.environment)

    def wait(self) -> None:
        """Return when it is ready. Raises ServiceError when it ends before that, or takes too long."""
        program = self.program
        give_up = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            if not program.is_running():
                raise ServiceError(
                    f"{program.name} does not start: {program.last_words()} (its log: {program.log})"
                )
            if time.monotonic() > give_up:
                raise ServiceError(
                    f"{program.name} is not ready after {READY_SECONDS:.0f} seconds: see {program.log}, "
                    "then `lakehouse stack down` and `lakehouse stack up`"
                )
            time.sleep(POLL_SECONDS)

    def _check_ports(self) -> None:
        for port, setting in self.ports.items():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise ServiceError(
                        f"port {port} cannot be used for {self.program.name} ({error.strerror}): "
                        f"set {setting} to a free port"
                    ) from None

    def _fingerprint(self) -> str:
        texts = [path.read_text() for path in self.configuration]
        facts = [list(self.command), dict(self.environment), texts]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
