"""The embedded Postgres server: a folder of data and the processes that serve it."""

import fcntl
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from include.errors import ServiceError
from include.serving.alive import claimed
from include.serving.programs import Programs, copies_for, find_programs
from include.serving.secret_file import write_secret

HOST = "127.0.0.1"
DATABASE = "lakehouse"
OWNER = "lake"
READER = "glucose_reader"
PATIENCE_SECONDS = 60.0
SETTINGS = ("timezone=UTC", "log_timezone=UTC", "log_checkpoints=off", "unix_socket_directories=")
SINGLE_USER = ("-clog_min_error_statement=panic",)  # statements hold passwords

# One statement a line: the single-user mode of Postgres reads them so.
ROLES = f"""\
create role {OWNER} login password '{{owner}}'
create role {READER} login password '{{reader}}'
alter role {READER} set default_transaction_read_only = on
create database {DATABASE} owner {OWNER}
revoke temporary on database {DATABASE} from public
"""


class Server:
    """One server in `folder`: `server/` (its data and log), passwords, and two lock files.

    `lock` is held by whoever starts or stops it. `alive` is inherited, locked, by every process of the
    server: the system frees it with the last of them, however they ended, so no process id need be trusted.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.home = folder / "server"
        self.data = self.home / "data"
        self.log = self.home / "log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against other starters and stoppers; makes it when absent. Raises ServiceError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o711)
            with (self.folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise ServiceError(
                f"the embedded Postgres cannot be kept in {self.folder} ({error.strerror or error}): "
                "free some space there, or let LAKEHOUSE_HOME name a folder that this user can write"
            ) from error

    def password(self, role: str) -> str:
        """The password of a role. Raises ServiceError when its file is gone."""
        try:
            return (self.folder / f"{role}.password").read_text()
        except FileNotFoundError:
            raise ServiceError(
                f"{self.folder / f'{role}.password'} is missing: put it back, or `make clean` and load again"
            ) from None

    def start(self) -> None:
        """Serve, unless served already; call it locked. Waits for a start or an end that is under way."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while (alive := self._claim()) is None:
            if self._is_ready():
                return
            if time.monotonic() > give_up:
                raise ServiceError(
                    f"a Postgres that is not ready, or runs in another container, holds {self.folder}: "
                    f"see {self.log}"
                )
            time.sleep(0.02)
        with alive:
            self.home.mkdir(mode=0o700, exist_ok=True)
            programs = find_programs(self.home)
            programs.give(self.home)
            if not self.data.exists():
                try:
                    self._initialise(programs, alive)
                except ServiceError as error:
                    raise ServiceError(
                        f"the data folder of Postgres cannot be made in {self.home}, {error}: "
                        "free some space there, or let LAKEHOUSE_HOME name another folder"
                    ) from None
            self._launch(programs, alive)

    def stop(self) -> None:
        """Ask the server to stop, open sessions or not, and wait for it; call it locked."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while (alive := self._claim()) is None:
            process = self._process()
            if process is not None:
                process.send_signal(signal.SIGINT)
            if time.monotonic() > give_up:
                raise ServiceError(f"the Postgres of {self.folder} does not stop: see {self.log}")
            time.sleep(0.02)
        alive.close()

    def administer(self, statements: str) -> None:
        """Stop, and carry out statements as superuser, passing over those that fail; call it locked."""
        self.stop()
        if (alive := self._claim()) is None:
            raise ServiceError(f"the Postgres of {self.folder} was started by somebody else: try again")
        with alive, self._reachable_home() as (home, descriptor):
            (self.data / "postmaster.pid").unlink(missing_ok=True)  # left by a server that was killed
            find_programs(self.home).run(
                "postgres", "--single", "-D", f"{home}/data", *SINGLE_USER, "postgres",
                keep_open=(alive.fileno(), descriptor),
                stdin=statements,
            )  # fmt: skip

    def is_running(self) -> bool:
        """Whether any process of the server is left; call it locked."""
        alive = self._claim()
        if alive is None:
            return True
        alive.close()
        return False

    def remove(self) -> None:
        """Delete the stopped server with all its data; call it locked."""
        shutil.rmtree(copies_for(self.home), ignore_errors=True)
        shutil.rmtree(self.folder)

    def served_port(self) -> int:
        """The port a running server listens on, not the setting's when that changed since its start."""
        return int(self._pid_file()[3])

    def _claim(self) -> IO[str] | None:
        return claimed(self.folder / "alive")

    def _initialise(self, programs: Programs, alive: IO[str]) -> None:
        """Make the data folder with its roles and database; it appears whole or not at all."""
        new, superuser = self.home / "data.new", self.home / "superuser.password"
        shutil.rmtree(new, ignore_errors=True)
        for role in (OWNER, READER):
            self._make_password(role)
        pgpass = f"{HOST}:*:{DATABASE}:{READER}:{self.password(READER)}\n"
        write_secret(self.folder / "pgpass", pgpass)
        write_secret(superuser, secrets.token_urlsafe(18))  # initdb wants one; it is forgotten at once
        programs.give(superuser)
        with self._reachable_home() as (home, descriptor):
            keep_open = (alive.fileno(), descriptor)
            programs.run(
                "initdb", "-D", f"{home}/data.new", "-U", "postgres", "-A", "scram-sha-256",
                "--pwfile", f"{home}/superuser.password", "-E", "UTF8", "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8", "--no-instructions", *(f"-c{setting}" for setting in SETTINGS),
                keep_open=keep_open,
            )  # fmt: skip
            roles = ROLES.format(owner=self.password(OWNER), reader=self.password(READER))
            programs.run(
                "postgres", "--single", "-D", f"{home}/data.new", "-cexit_on_error=on", *SINGLE_USER,
                "postgres",
                keep_open=keep_open,
                stdin=roles,
            )  # fmt: skip
        superuser.unlink()
        new.rename(self.data)

    def _launch(self, programs: Programs, alive: IO[str]) -> None:
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # `alive` is ours: nobody is behind that file
        with self._reachable_home() as (home, descriptor):
            try:
                programs.run(
                    "pg_ctl", "start", "-w", "-s", "-t", str(int(PATIENCE_SECONDS)), "-D", f"{home}/data",
                    "-l", f"{home}/log", "-o", f"-h {HOST} -p {self.port}",
                    keep_open=(alive.fileno(), descriptor),
                )  # fmt: skip
            except ServiceError as error:
                raise ServiceError(self._why_not_started(str(error))) from None

    def _why_not_started(self, said: str) -> str:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self.port))
            except OSError as error:
                return (
                    f"port {self.port} cannot be used for Postgres ({error.strerror}): "
                    "set LAKEHOUSE_POSTGRES_PORT to a free port"
                )
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        fatal = [line.partition("  ")[2] for line in lines[-20:] if "FATAL:" in line or "PANIC:" in line]
        return f"Postgres does not start: {fatal[-1] if fatal else said} (its log: {self.log})"

    def _make_password(self, role: str) -> None:
        path = self.folder / f"{role}.password"
        if not path.exists():
            write_secret(path, secrets.token_urlsafe(18))

    @contextmanager
    def _reachable_home(self) -> Iterator[tuple[str, int]]:
        """The home as another account can name it, and a file to leave open meanwhile and in the server.

        Root may keep the lakehouse below a folder that nobody else can enter. A descriptor opened by root
        leads into its folder from every process that inherits it: no folder above needs to be opened up.
        """
        descriptor = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY)
        try:
            by_descriptor = os.geteuid() == 0 and Path("/proc/self/fd").is_dir()
            yield f"/proc/self/fd/{descriptor}" if by_descriptor else str(self.home), descriptor
        finally:
            os.close(descriptor)

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _process(self) -> psutil.Process | None:
        """The server's first process, if it lives: the number alone may belong to a stranger by now."""
        try:
            process = psutil.Process(int(self._pid_file()[0]))
            is_ours = process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).samefile(self.data)
        except (IndexError, ValueError, OSError, psutil.Error):
            return None
        return process if is_ours else None

    def _is_ready(self) -> bool:
        lines = self._pid_file()
        return len(lines) >= 8 and lines[7].strip() == "ready" and self._process() is not None
