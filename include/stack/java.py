"""The Java that runs Trino and Nessie: found on this machine, never installed by us."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from include.errors import ServiceError

NEEDED = 24  # by Trino 476; Nessie is content with 21
PATIENCE_SECONDS = 20
FOLDERS = (
    "/usr/lib/jvm/*",
    "/opt/java/*",
    "/opt/*jdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*",
    str(Path.home() / ".sdkman/candidates/java/*"),
    str(Path.home() / ".jdks/*"),
)
ADVICE = (
    f"install a JDK {NEEDED} or newer (for example Temurin 25), "
    "and let JAVA_HOME name its folder if it is not found by itself"
)


def find_java() -> Path:
    """The folder (as JAVA_HOME names it) of the first Java that is new enough.

    Looks at JAVA_HOME, then PATH, then the usual folders. Raises ServiceError: none, or all too old.
    """
    found: dict[Path, int] = {}
    for home in _candidates():
        if home not in found and (version := _version(home)) is not None:
            found[home] = version
            if version >= NEEDED:
                return home
    if not found:
        raise ServiceError(f"Trino needs Java, and none was found: {ADVICE}")
    newest = max(found, key=lambda home: found[home])
    raise ServiceError(f"Trino needs Java {NEEDED}, and {newest} is Java {found[newest]}: {ADVICE}")


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("JAVA_HOME"):
        yield Path(named)
    if program := shutil.which("java"):
        yield Path(program).resolve().parent.parent
    for pattern in FOLDERS:
        start = Path(pattern)
        yield from sorted(Path(start.anchor).glob(str(start.relative_to(start.anchor))), reverse=True)


def _version(home: Path) -> int | None:
    """What `java -version` says (1.8 is 8), or None where no Java starts."""
    try:
        done = subprocess.run(
            [str(home / "bin" / "java"), "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(match.group(1)) if match and done.returncode == 0 else None
