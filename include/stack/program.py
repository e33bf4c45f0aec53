"""A program in the background, known by a lock file that it inherits; never by its name or number alone."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from include.errors import ServiceError
from include.serving.alive import claimed

STOP_SECONDS = 20.0  # then it is killed
POLL_SECONDS = 0.05
KEPT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
)  # nothing else: no secret of ours, no options of the user's
# The shell ends at once, so the program is nobody's child: nobody has to wait for it.
DETACH = '"$0" "$@" &'


@dataclass(frozen=True)
class Program:
    """One program that keeps its files in `folder`.

    `alive` in there is inherited, locked, by every process of it: the system frees it with the last of them,
    however they ended. Whoever starts or stops programs holds the lock of the whole stack meanwhile.
    """

    name: str
    folder: Path
    log: Path

    def is_running(self) -> bool:
        """Whether any process of it is left."""
        if not self.folder.exists():
            return False
        alive = self.claim()
        if alive is None:
            return True
        alive.close()
        return False

    def claim(self) -> IO[str] | None:
        """The lock file, locked, to be passed to `spawn`; None while the program runs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return claimed(self.folder / "alive")

    def spawn(self, alive: IO[str], command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it. Its output goes to a new log; the log of the start before is kept beside."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".before.log"))
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        with self.log.open("w") as log:
            subprocess.run(
                ["/bin/sh", "-c", DETACH, *command],
                env=kept | {"LC_ALL": "C"} | dict(environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o077,
                pass_fds=(alive.fileno(),),
                check=True,
            )

    def processes(self) -> list[psutil.Process]:
        """Its processes: those that have its lock file open."""
        if not self.is_running():
            return []
        lock = str((self.folder / "alive").resolve())
        return [process for process in _others() if lock in _open_files(process)]

    def ask_to_stop(self) -> None:
        """Tell it to end; returns at once."""
        for process in self.processes():
            with suppress(psutil.Error):
                process.terminate()

    def stop(self) -> None:
        """End it and wait until it has; kills it when it takes too long. Raises ServiceError."""
        self.ask_to_stop()
        began = time.monotonic()
        while self.is_running():
            waited = time.monotonic() - began
            if waited > 2 * STOP_SECONDS:
                raise ServiceError(f"{self.name} does not stop: see {self.log}")
            if waited > STOP_SECONDS:
                for process in self.processes():
                    with suppress(psutil.Error):
                        process.kill()
            time.sleep(POLL_SECONDS)

    def last_words(self) -> str:
        """The first line of its log that tells of an error, else the last one."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line or "Error:" in line or "Exception:" in line]
        return (errors[:1] or lines[-1:] or ["it said nothing"])[0][:300]


def _others() -> Iterator[psutil.Process]:
    return (process for process in psutil.process_iter() if process.pid != os.getpid())


def _open_files(process: psutil.Process) -> set[str]:
    try:
        return {file.path for file in process.open_files()}
    except (psutil.Error, OSError):
        return set()
