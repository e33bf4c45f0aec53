"""The stack as a whole: Postgres, S3, Nessie and Trino on this machine, started and stopped together."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from include.serving import postgres
from include.settings import Settings
from include.stack import services
from include.stack.artifacts import Artifacts
from include.stack.connection import native_connection
from include.stack.credentials import make_credentials, read_credentials
from include.stack.java import find_java
from include.stack.program import Program
from include.stack.service import HOST, Service
from include.stack.version_store import ensure_version_store

MEGABYTE = 1 << 20

Say = Callable[[str], None]


@dataclass(frozen=True)
class ServiceStatus:
    """What a person wants to know of one service. `state` is ready, not ready, or stopped."""

    service: str
    state: str
    address: str
    process: int | None
    megabytes: int | None


def _silent(_: str) -> None:
    pass


class Stack:
    """The stack of one LAKEHOUSE_HOME; up and down may be called at any time, and wait for each other."""

    def __init__(self, settings: Settings, say: Say = _silent) -> None:
        self.settings = settings
        self.say = say
        self.folder = settings.stack_path
        self.programs = services.programs(settings)

    def up(self) -> None:
        """Start what does not run, and what runs with other settings again; return when all are ready.

        Raises ServiceError: no Java, no download, a port in use, a service that does not become ready.
        """
        with self._locked():
            started = self._services()
            for service in started:
                self.say(f"Starting {service.program.name}")
                service.launch()
            for service in started:
                service.wait()
                self.say(f"{service.program.name} is ready")

    def down(self) -> None:
        """Stop all of it, Postgres too; no matter when nothing runs. Raises ServiceError."""
        if not self.folder.exists():
            return
        with self._locked():
            for program in self.programs:
                program.ask_to_stop()
            for program in self.programs:
                program.stop()
            postgres.stop(self.settings)

    def status(self) -> list[ServiceStatus]:
        """How each service is; starts and creates nothing. Raises ServiceError: damaged credentials."""
        settings, credentials = self.settings, read_credentials(self.folder)
        lake = native_connection(settings, credentials) if credentials else None
        serves = postgres.is_running(settings)
        return [
            ServiceStatus(
                "Postgres",
                "ready" if serves else "stopped",
                f"{HOST}:{settings.lakehouse_postgres_port}",
                None,
                None,
            ),
            _status(
                self.programs.s3,
                settings.lakehouse_s3_port,
                lambda: lake is not None and services.s3_is_ready(lake),
            ),
            _status(
                self.programs.nessie,
                settings.lakehouse_nessie_port,
                lambda: services.nessie_is_ready(settings),
            ),
            _status(
                self.programs.trino, settings.lakehouse_trino_port, lambda: services.trino_is_ready(settings)
            ),
        ]

    def _services(self) -> list[Service]:
        """What is to be started, once Postgres serves. Those that take longest come first."""
        settings = self.settings
        java = find_java()
        artifacts = Artifacts(settings.maven_repository, self.say)
        server, jar = artifacts.trino(), artifacts.nessie()
        credentials = make_credentials(self.folder)
        lake = native_connection(settings, credentials)
        s3 = services.s3_service(settings, lake)
        self.say("Starting Postgres")
        version_store = ensure_version_store(settings, credentials.version_store_password)
        published = postgres.ensure(settings)
        self._link_log()
        return [
            services.trino_service(settings, lake, published, java, server),
            services.nessie_service(settings, lake, version_store, java, jar),
            s3,
        ]

    def _link_log(self) -> None:
        """Let the log of Postgres be seen beside the others."""
        link = self.folder / "logs" / "postgres.log"
        link.parent.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(self.settings.postgres_path / "server" / "log")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _status(program: Program, port: int, is_ready: Callable[[], bool]) -> ServiceStatus:
    address = f"{HOST}:{port}"
    processes = program.processes()
    if not processes:
        return ServiceStatus(program.name, "stopped", address, None, None)
    state = "ready" if is_ready() else "not ready"
    with suppress(psutil.Error):
        size = sum(process.memory_info().rss for process in processes)
        return ServiceStatus(program.name, state, address, processes[0].pid, size // MEGABYTE)
    return ServiceStatus(program.name, "stopped", address, None, None)
