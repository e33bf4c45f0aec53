"""Whether a program runs, told by a lock file that its processes inherit; never by a name or a number."""

import fcntl
from pathlib import Path
from typing import IO


def claimed(path: Path) -> IO[str] | None:
    """The file, locked until it is closed here and in every process that inherited it; None while it is.

    However they end, the system frees the lock with the last of them.
    """
    lock = path.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
