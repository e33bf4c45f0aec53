"""What is downloaded from Maven Central: checked, unpacked, and cached outside of the project."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from include.errors import ServiceError

TRIES = 4
SILENCE_SECONDS = 60
BLOCK_BYTES = 1 << 20
PLUGINS = ("geospatial", "iceberg", "postgresql")  # postgresql does not load without geospatial

Say = Callable[[str], None]


@dataclass(frozen=True)
class Artifact:
    """One file of a Maven repository."""

    name: str
    path: str
    sha256: str
    megabytes: int

    @property
    def file_name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


TRINO = Artifact(
    name="Trino 476",
    path="io/trino/trino-server/476/trino-server-476.tar.gz",
    sha256="cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f",
    megabytes=821,
)
NESSIE = Artifact(
    name="Nessie 0.99.0",
    path="org/projectnessie/nessie/nessie-quarkus/0.99.0/nessie-quarkus-0.99.0-runner.jar",
    sha256="ce9fa33e2878bf5ea3981876b9e6204cabc0362b3dd82326b10e47271a78c417",
    megabytes=245,
)


class Artifacts:
    """The cache: a folder that every project and test of this user shares."""

    def __init__(self, repository: str, say: Say, folder: Path | None = None) -> None:
        self.repository = repository.rstrip("/")
        self.say = say
        self.folder = folder or cache_folder()

    def trino(self) -> Path:
        """The folder of the Trino server, without the plugins that nobody here uses. Raises ServiceError."""
        server = self.folder / TRINO.file_name.removesuffix(".tar.gz")
        with self._locked():
            if not server.exists():
                archive = self._download(TRINO)
                self.say(f"Unpacking {TRINO.name}")
                _unpack(archive, server)
                archive.unlink()
        return server

    def nessie(self) -> Path:
        """Nessie's jar. Raises ServiceError."""
        with self._locked():
            jar = self.folder / NESSIE.file_name
            return jar if jar.exists() else self._download(NESSIE)

    def _download(self, artifact: Artifact) -> Path:
        """The whole file with the right checksum; a download that broke off is gone on with."""
        url = f"{self.repository}/{artifact.path}"
        part = self.folder / f"{artifact.file_name}.part"
        self.say(f"Downloading {artifact.name} ({artifact.megabytes} MB, once)")
        for tries_left in reversed(range(TRIES)):
            try:
                _fetch(url, part)
                break
            except requests.RequestException as error:
                if not tries_left or isinstance(error, requests.HTTPError):
                    raise ServiceError(
                        f"{artifact.name} cannot be downloaded from {url} ({_reason(error)}): see that this "
                        "machine reaches it, or let MAVEN_REPOSITORY name a mirror of Maven Central"
                    ) from None
        self._check(artifact, part, url)
        whole = self.folder / artifact.file_name
        part.rename(whole)
        return whole

    def _check(self, artifact: Artifact, part: Path, url: str) -> None:
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != artifact.sha256:
            part.unlink()
            raise ServiceError(
                f"{url} is not the file that was expected (sha256 {found}, not {artifact.sha256}) and was "
                "deleted: try again; if it stays so, do not use that repository"
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def cache_folder() -> Path:
    """Where downloads are kept: below XDG_CACHE_HOME, by default ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nightscout-lakehouse" / "stack"


def _fetch(url: str, part: Path) -> None:
    """Append to `part` what is missing of the file. Raises requests.RequestException."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=SILENCE_SECONDS) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all of it is here; the checksum decides
        answer.raise_for_status()
        is_rest = answer.status_code == requests.codes.partial_content
        with part.open("ab" if is_rest else "wb") as file:
            for block in answer.iter_content(BLOCK_BYTES):
                file.write(block)


def _reason(error: requests.RequestException) -> str:
    answer = error.response
    return f"HTTP {answer.status_code}" if answer is not None else type(error).__name__


def _unpack(archive: Path, server: Path) -> None:
    """Unpack all, since it uses hard links, then drop plugins; the folder appears whole or not at all."""
    unfinished = server.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        done = subprocess.run(
            ["tar", "-xzf", str(archive), "-C", str(unfinished)],  # noqa: S607 (the system's own)
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise ServiceError("the program tar is missing: install it") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ServiceError(f"{archive} cannot be unpacked ({said}): free some space there, then try again")
    unpacked = unfinished / server.name
    for plugin in (unpacked / "plugin").iterdir():
        if plugin.name not in PLUGINS:
            shutil.rmtree(plugin)
    unpacked.rename(server)
    shutil.rmtree(unfinished)
