"""Disks without room, real ones: a small volume where one may be mounted, and files that may not grow."""

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """A folder, and how much room there is left in it while a block runs."""

    folder: Path

    def with_room(self, size: int) -> AbstractContextManager[None]: ...


class LimitedFiles:
    """The system refuses what would make a file of this process larger than the room."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def with_room(self, size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class SmallVolume:
    """A volume that another file fills up to the room."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def with_room(self, size: int) -> Iterator[None]:
        volume = os.statvfs(self.folder)
        filler = self.folder / "filler"
        filler.write_bytes(bytes(volume.f_bavail * volume.f_frsize - size))
        try:
            yield
        finally:
            filler.unlink()


@contextmanager
def small_volume(folder: Path, megabytes: int = 16) -> Iterator[SmallVolume]:
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        yield SmallVolume(folder)
    finally:
        command = ["umount", "--lazy", str(folder)]
        subprocess.run(command, check=True)


def can_mount() -> bool:
    """Whether this user may mount a volume; most may not, and then limited files have to do."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_volume(Path(folder), 1):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


KINDS = ("limited files", *(["small volume"] if can_mount() else []))


@contextmanager
def disk_of(kind: str, folder: Path) -> Iterator[Disk]:
    if kind == "small volume":
        with small_volume(folder) as volume:
            yield volume
    else:
        yield LimitedFiles(folder)
