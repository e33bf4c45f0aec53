"""The folder of versions and branches: what each one is, and which of them `main` names.

lake/format                 LAKE_FORMAT of the program that made it
lake/lock                   held by whoever changes anything but a branch's own files
lake/main -> versions/NAME  the one link whose replacement promotes
lake/versions/NAME/         catalog.db, lake.duckdb, version.json: a copy of its base, then changed
lake/versions/.NAME-...     being made or removed; garbage for whoever holds the lock
lake/warehouse/             data and metadata files of Iceberg, never changed, shared by all versions
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from include.disk import flush, locked, usable_disk, write_whole
from include.errors import BranchError, LakeFormatError
from include.lakehouse.interface import LAKE_FORMAT, BranchInfo, Version

RECORD = "version.json"
_VERSIONS = "versions"


@dataclass(frozen=True)
class Record:
    """What `version.json` says. `lineage`: the versions it descends from that were kept, nearest first.

    `promoted_at` is written after main names the version, so it may be missing for main itself.
    """

    name: str
    lineage: tuple[str, ...]
    run_id: str | None
    opened_at: datetime
    promoted_at: datetime | None = None
    format: int = LAKE_FORMAT

    @property
    def base(self) -> str | None:
        """The version it was opened from."""
        return self.lineage[0] if self.lineage else None

    def as_branch(self) -> BranchInfo:
        """As `branches()` lists it."""
        return BranchInfo(self.name, self.base, self.run_id, self.opened_at, self.promoted_at is not None)

    def as_json(self) -> str:
        """The text of `version.json`."""
        return json.dumps(asdict(self), default=datetime.isoformat, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The record that `as_json` gave."""
        facts = json.loads(text)
        promoted_at = facts["promoted_at"]
        return cls(
            name=facts["name"],
            lineage=tuple(facts["lineage"]),
            run_id=facts["run_id"],
            opened_at=datetime.fromisoformat(facts["opened_at"]),
            promoted_at=datetime.fromisoformat(promoted_at) if promoted_at else None,
            format=facts["format"],
        )


def history(records: Iterable[Record], main: str | None, superseded: Container[str]) -> list[Version]:
    """The versions among the records, last promoted first."""
    listed = [
        Version(
            name=record.name,
            base=record.base,
            run_id=record.run_id,
            promoted_at=record.promoted_at,
            is_main=record.name == main,
            is_superseded=record.name in superseded,
            format=record.format,
        )
        for record in records
        if record.promoted_at is not None
    ]
    return sorted(listed, key=lambda version: version.promoted_at, reverse=True)


class Versions:
    """The folder `lake/`. Methods that change it are to be called while `changing` is held."""

    def __init__(self, lake: Path) -> None:
        self.lake = lake
        self.warehouse = lake / "warehouse"
        self._folder = lake / _VERSIONS
        self._main = lake / "main"
        self._check_format()

    @contextmanager
    def changing(self, *, shared: bool = False) -> Iterator[None]:
        """Hold the lake's lock, with the folder made and settled. Raises ServiceError, LakeFormatError.

        `shared` is for changes to one branch's own files: many at once, but not while main changes.
        """
        with usable_disk(self.lake):
            self._folder.mkdir(parents=True, exist_ok=True)
            self.warehouse.mkdir(exist_ok=True)
            with locked(self.lake / "lock", shared=shared):
                self._check_format()
                if not shared:
                    self._settle()
                yield

    def path(self, name: str) -> Path:
        """The folder of a version or branch."""
        return self._folder / name

    def main(self) -> str | None:
        """The version that main names."""
        try:
            return self._main.readlink().name
        except FileNotFoundError:
            return None

    def records(self) -> list[Record]:
        """Every version and branch, last opened first; main's `promoted_at` is never missing."""
        names = [path.name for path in self._folder.glob("[!.]*")]
        found = [record for name in names if (record := self.record(name)) is not None]
        return sorted(found, key=lambda record: (record.opened_at, record.name), reverse=True)

    def record(self, name: str) -> Record | None:
        """One version or branch; None when there is none of that name."""
        try:
            record = Record.from_json((self.path(name) / RECORD).read_text())
            if record.promoted_at is None and self.main() == name:
                changed = datetime.fromtimestamp(self._main.lstat().st_mtime, UTC)
                return replace(record, promoted_at=changed)
        except (FileNotFoundError, NotADirectoryError):  # removed while we looked
            return None
        return record

    def create(self, name: str, base: str | None, run_id: str | None, fill: Callable[[Path], None]) -> None:
        """A new branch in place of what is there under this name; `fill` makes one that has no base.

        Raises BranchError when the base is not kept.
        """
        lineage: tuple[str, ...] = ()
        if base is not None:
            origin = self.record(base)
            if origin is None or origin.promoted_at is None:
                raise BranchError(f"version {base} is not kept any more: clear the whole run")
            lineage = (base, *(older for older in origin.lineage if self.path(older).exists()))
        draft = self._hidden(name)
        draft.mkdir()
        if base is None:
            fill(draft)
        else:
            self._copy(base, draft)
        write_whole(draft / RECORD, Record(name, lineage, run_id, datetime.now(UTC)).as_json())
        self.remove(name)
        draft.rename(self.path(name))

    def remove(self, name: str) -> None:
        """Out of sight in one rename first, so that a kill cannot leave half a version."""
        if self.path(name).exists():
            hidden = self._hidden(name)
            self.path(name).rename(hidden)
            shutil.rmtree(hidden)

    def _copy(self, base: str, draft: Path) -> None:
        for file in self.path(base).glob("[!.]*"):
            if file.is_file() and file.name != RECORD:
                shutil.copyfile(file, draft / file.name)

    def make_main(self, name: str) -> None:
        """Let main name another version, in one rename that survives a power cut."""
        link = self.lake / ".main"
        link.unlink(missing_ok=True)
        link.symlink_to(Path(_VERSIONS, name))
        link.replace(self._main)
        flush(self.lake)
        with suppress(OSError):  # on a full disk: it is main all the same, and the next change settles it
            self._settle()

    def _settle(self) -> None:
        """Finish what a killed process left: main's time of promotion unwritten, hidden folders."""
        if not (self.lake / "format").exists():
            write_whole(self.lake / "format", f"{LAKE_FORMAT}\n")
        for hidden in self._folder.glob(".*"):
            shutil.rmtree(hidden)
        name = self.main()
        if name is None or (record := self._unsettled(name)) is None:
            return
        last = max((r.promoted_at for r in self.records() if r.promoted_at and r.name != name), default=None)
        now = datetime.fromtimestamp(self._main.lstat().st_mtime, UTC)
        if last is not None and last >= now:  # a clock that was set back must not change the order
            now = last + timedelta(microseconds=1)
        write_whole(self.path(name) / RECORD, replace(record, promoted_at=now).as_json())

    def _unsettled(self, name: str) -> Record | None:
        record = Record.from_json((self.path(name) / RECORD).read_text())
        return record if record.promoted_at is None else None

    def _hidden(self, name: str) -> Path:
        return self._folder / f".{name}-{os.getpid()}-{time.monotonic_ns()}"

    def _written_format(self) -> int:
        with usable_disk(self.lake):
            try:
                return int((self.lake / "format").read_text())
            except FileNotFoundError:
                return 0
            except ValueError:
                raise LakeFormatError(f"{self.lake / 'format'} holds no number: restore it") from None

    def _check_format(self) -> None:
        written = self._written_format()
        if written > LAKE_FORMAT:
            raise LakeFormatError(
                f"the lake in {self.lake} has format {written}, this program knows up to {LAKE_FORMAT}: "
                "update the program"
            )
