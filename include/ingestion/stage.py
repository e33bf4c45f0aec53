"""The stage: an inbox of answers, each written once and never changed."""

import hashlib
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pyarrow
import pyarrow.parquet
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from include.disk import flush
from include.errors import ServiceError, StageError
from include.ingestion.loader import load_parquet
from include.ingestion.staged_read import DamagedRead, StagedRead, advice_if_damaged, read_id_of
from include.nightscout.client import Answer
from include.nightscout.windows import Window

__all__ = ["DamagedRead", "Stage", "StagedRead", "read_id_of"]

DOCUMENTS = "documents.parquet"
MANIFEST = "manifest.json"
_DRAFTS = ".drafts"
_FIELDS: list[tuple[str, pyarrow.DataType]] = [
    ("row_number", pyarrow.int64()),
    ("document", pyarrow.string()),
]
_ROWS = pyarrow.schema(_FIELDS)


class Stage:
    """Staged reads below `root`, one folder each: `<site_id>/<collection>/<read_id>/`.

    A file system that is not local has to write files whole or not at all, and to raise ServiceError.
    """

    def __init__(self, filesystem: AbstractFileSystem, root: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._is_local = isinstance(filesystem, LocalFileSystem)

    def find(self, window: Window, branch: str, document_id: str | None = None) -> StagedRead | None:
        """The finished read of this window (or look-up) on this branch, if there is one."""
        return self._manifest(self._folder(window, read_id_of(window, branch, document_id)))

    def write(
        self,
        window: Window,
        answer: Answer,
        *,
        kind: str,
        origin: str,
        run_id: str,
        branch: str,
        document_id: str | None = None,
    ) -> StagedRead:
        """Keep an answer; an already finished read of the same name wins and is returned.

        The folder of the read appears whole or not at all, wherever the process is killed.
        Raises ServiceError when the volume cannot be written.
        """
        read_id = read_id_of(window, branch, document_id)
        folder = self._folder(window, read_id)
        found = self._manifest(folder)
        if found is not None:
            return found
        try:
            with self._draft(read_id) as draft:
                documents, manifest = Path(draft, "read", DOCUMENTS), Path(draft, "read", MANIFEST)
                documents.parent.mkdir()
                load_parquet(_table(answer.documents), documents, Path(draft, "dlt"))
                read = StagedRead(
                    read_id=read_id,
                    window=window,
                    kind=kind,
                    origin=origin,
                    request=answer.request,
                    fetched_at=answer.fetched_at,
                    document_count=len(answer.documents),
                    checksum=hashlib.sha256(documents.read_bytes()).hexdigest(),
                    run_id=run_id,
                    branch=branch,
                    document_id=document_id,
                )
                manifest.write_text(read.as_json(), encoding="utf-8")
                return self._reveal(documents.parent, folder) or read
        except OSError as error:
            raise self._volume_error(error) from error

    def reads(self, skip: Container[str] = ()) -> list[StagedRead]:
        """Every finished read, oldest fetch first, but those whose `read_id` is in `skip`.

        One whose manifest is damaged is not among them: `damaged` tells of it, and it stops nobody else.
        """
        found = []
        for folder in self._folders(skip):
            with suppress(StageError):
                found.append(self._manifest(folder))
        return sorted((read for read in found if read), key=lambda read: (read.fetched_at, read.read_id))

    def damaged(self, skip: Container[str] = ()) -> list[DamagedRead]:
        """Reads whose manifest cannot be read, but those whose `read_id` is in `skip`."""
        found = []
        for folder in self._folders(skip):
            try:
                self._manifest(folder)
            except StageError as error:
                _, site_id, collection, read_id = folder.rsplit("/", 3)
                found.append(DamagedRead(site_id, collection, read_id, str(error)))
        return found

    def documents(self, read: StagedRead) -> pyarrow.Table:
        """Columns `row_number` (from 0) and `document` (JSON text). StageError when damaged or gone."""
        content = self.get(read, DOCUMENTS)
        path = f"{self._folder(read.window, read.read_id)}/{DOCUMENTS}"
        advice = advice_if_damaged(path)
        if content is None:
            raise StageError(f"{path} is gone: {advice}")
        if hashlib.sha256(content).hexdigest() != read.checksum:
            raise StageError(f"{path} is damaged (its checksum differs from the manifest's): {advice}")
        rows = pyarrow.parquet.read_table(BytesIO(content)).cast(_ROWS)
        if rows.num_rows != read.document_count:
            raise StageError(
                f"{path} has {rows.num_rows} documents, its manifest says {read.document_count}: {advice}"
            )
        return rows

    def get(self, read: StagedRead, name: str) -> bytes | None:
        """A file that lies beside the documents of a read, or None. StageError when it cannot be read."""
        path = f"{self._folder(read.window, read.read_id)}/{name}"
        try:
            content: bytes = self._filesystem.cat_file(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StageError(
                f"{path} cannot be read ({error.strerror or error}): {advice_if_damaged(path)}"
            ) from error
        return content

    def put(self, read: StagedRead, name: str, content: bytes) -> None:
        """Lay a file beside the documents, whole or not at all; replaces one of that name."""
        target = f"{self._folder(read.window, read.read_id)}/{name}"
        if not self._is_local:
            self._filesystem.pipe_file(target, content)
            return
        draft = f"{target}.{uuid4().hex}"
        try:
            self._filesystem.pipe_file(draft, content)
            self._filesystem.mv(draft, target)
        except OSError as error:
            self._discard(draft)
            raise self._volume_error(error) from error

    def remove(self, read: StagedRead) -> None:
        """Forget a read and everything beside it; one that is gone already is fine."""
        folder = self._folder(read.window, read.read_id)
        self._discard(f"{folder}/{MANIFEST}")  # first: without it the read does not exist
        self._discard(folder)

    def remove_unfinished(self, untouched_since: datetime) -> int:
        """Remove folders without a manifest in which nothing was written since then; gives their number.

        A process that was killed between two files of a read leaves one, and no other method knows of it.
        """
        unfinished = [folder for folder in self._folders(()) if self._is_unfinished(folder, untouched_since)]
        for folder in unfinished:
            self._discard(folder)
        return len(unfinished)

    def clear_drafts(self) -> None:
        """Remove what killed processes left half-written. For the holder of the lease, before it stages."""
        self._discard(f"{self._root}/{_DRAFTS}")

    def _is_unfinished(self, folder: str, untouched_since: datetime) -> bool:
        try:
            files = self._filesystem.ls(folder, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return False
        names = [file["name"].rpartition("/")[2] for file in files]
        return MANIFEST not in names and all(_written_at(file) < untouched_since for file in files)

    def _volume_error(self, error: OSError) -> ServiceError:
        return ServiceError(
            f"the stage at {self._root} cannot be written ({error.strerror or error}): free space or"
            " correct its permissions, then run again; nothing half-written was kept"
        )

    def _folder(self, window: Window, read_id: str) -> str:
        return f"{self._root}/{window.site_id}/{window.collection}/{read_id}"

    def _draft(self, read_id: str) -> TemporaryDirectory[str]:
        """A scratch folder; on the stage's own volume where that is local, so that a rename can reveal it."""
        if not self._is_local:
            return TemporaryDirectory(prefix="stage-")
        drafts = Path(self._root, _DRAFTS)
        drafts.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(dir=drafts, prefix=f"{read_id[:80]}.")

    def _reveal(self, draft: Path, folder: str) -> StagedRead | None:
        """Move a finished draft to its place. Returns the read another process put there first, if any."""
        if not self._is_local:
            for name in (DOCUMENTS, MANIFEST):  # the manifest last: it makes the read whole
                self._filesystem.pipe_file(f"{folder}/{name}", (draft / name).read_bytes())
            return None
        for path in draft.iterdir():  # or a power cut could leave an empty file behind the new name
            flush(path)
        target = Path(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not (target / MANIFEST).exists():
            self._discard(folder)
        try:
            draft.rename(target)
        except OSError:
            first = self._manifest(folder)
            if first is None:
                raise
            return first
        return None

    def _manifest(self, folder: str) -> StagedRead | None:
        path = f"{folder}/{MANIFEST}"
        try:
            read = StagedRead.from_json(self._filesystem.cat_file(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise StageError(f"{path} is damaged: {advice_if_damaged(path)}") from error
        if not folder.endswith(self._folder(read.window, read.read_id).removeprefix(self._root)):
            raise StageError(f"{path} is damaged (it describes another read): {advice_if_damaged(path)}")
        return read

    def _folders(self, skip: Container[str]) -> Iterator[str]:
        for site in self._names(self._root):
            if not site.rpartition("/")[2].startswith("."):
                for collection in self._names(site):
                    yield from (of for of in self._names(collection) if of.rpartition("/")[2] not in skip)

    def _names(self, folder: str) -> list[str]:
        self._filesystem.invalidate_cache(folder)
        try:
            return sorted(self._filesystem.ls(folder, detail=False))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _discard(self, path: str) -> None:
        if self._filesystem.exists(path):
            self._filesystem.rm(path, recursive=True)


def _written_at(file: Mapping[str, Any]) -> datetime:
    """By what a file system lists: local ones in seconds, S3 as an instant."""
    at = file["mtime"]
    return at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)


def _table(documents: tuple[str, ...]) -> pyarrow.Table:
    numbers = pyarrow.array(range(len(documents)), pyarrow.int64())
    return pyarrow.Table.from_arrays([numbers, pyarrow.array(documents, pyarrow.string())], schema=_ROWS)
