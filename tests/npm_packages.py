"""Packages of npm that tests use, installed once into the user's cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


def installed(package: Path, name: str, prepare: Callable[[Path], None] | None = None) -> Path:
    """The folder into which `package` (a package.json) is installed, with `node_modules` in it.

    `prepare` makes in that folder what is needed besides.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "nightscout-lakehouse"
    wanted = package.read_bytes()
    folder = cache / f"{name}-{hashlib.sha256(wanted).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = folder.with_suffix(".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            (unfinished / "package.json").write_bytes(wanted)
            command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run(command, cwd=unfinished, check=True, stdin=subprocess.DEVNULL)
            if prepare is not None:
                prepare(unfinished)
            unfinished.rename(folder)
    return folder
