"""The disk under the embedded lake: locks, durable writes, and what is said when it cannot be used."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.errors import ServiceError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = (*map(os.strerror, _FULL), "database or disk is full")


@contextmanager
def usable_disk(place: Path) -> Iterator[None]:
    """Turn what the system says about a full or forbidden disk into one sentence. Raises ServiceError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise full_disk(place) from error
        raise ServiceError(
            f"{error.filename or place} cannot be used ({error.strerror or error}): "
            "let LAKEHOUSE_HOME name a folder that this user can write"
        ) from error


def says_full(said: object) -> bool:
    """Whether an error of DuckDB, SQLite or dbt passes on that the disk is full."""
    return any(words in str(said) for words in _FULL_WORDS)


def full_disk(place: Path) -> ServiceError:
    """What is said of a full disk."""
    return ServiceError(f"the disk that holds {place} is full: free some space and run again")


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file, alone or with other sharers; the system frees it when the process ends."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # a forked child shares the open file and would keep the lock


def flush(path: Path) -> None:
    """Make a file, or the entries of a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str) -> None:
    """Replace a file by one rename: readers see the old text or the new one, also after a power cut."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    flush(draft)
    draft.replace(path)
    flush(path.parent)
