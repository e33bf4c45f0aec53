"""The S3 store as the stage sees it: a file system that says in one sentence when the store is of no use."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fsspec.implementations.arrow import ArrowFSWrapper

from include.errors import ServiceError
from include.lakehouse.nessie.file_io import told
from include.stack.connection import LakeConnection
from include.stack.object_store import object_store

ANSWER_SECONDS = 30.0
TRIES = 3


class StageFiles(ArrowFSWrapper):  # type: ignore[misc]
    """Files and folders by `bucket/path`. A file appears whole or not at all.

    Every method that the stage uses raises ServiceError when the store does not answer or refuses.
    """

    cachable = False  # connections do not survive a fork

    def __init__(self, connection: LakeConnection) -> None:
        super().__init__(object_store(connection, answer_seconds=ANSWER_SECONDS, tries=TRIES))
        self._endpoint = connection.s3_endpoint

    def cat_file(self, path: str, *more: Any, **named: Any) -> bytes:
        """Fsspec's."""
        with self._told():
            content: bytes = super().cat_file(path, *more, **named)
        return content

    def pipe_file(self, path: str, value: bytes, *more: Any, **named: Any) -> None:
        """Fsspec's."""
        with self._told():
            super().pipe_file(path, value, *more, **named)

    def ls(self, path: str, *more: Any, **named: Any) -> list[Any]:
        """Fsspec's."""
        with self._told():
            found: list[Any] = super().ls(path, *more, **named)
        return found

    def exists(self, path: str) -> bool:
        """Fsspec's."""
        with self._told():
            return bool(super().exists(path))

    def rm(self, path: str, *more: Any, **named: Any) -> None:
        """Fsspec's; a folder may be listed and hold nothing that could be removed."""
        with suppress(FileNotFoundError), self._told():
            super().rm(path, *more, **named)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """That a file is not there is an answer."""
        missing = None
        with told(self._endpoint):
            try:
                yield
            except FileNotFoundError as error:
                missing = error
        if missing is not None:
            raise missing


def demand_bucket(connection: LakeConnection) -> None:
    """Raises ServiceError when the store does not answer, or has no such bucket."""
    if not StageFiles(connection).exists(connection.bucket):
        raise ServiceError(
            f"the S3 store on {connection.s3_endpoint} has no bucket {connection.bucket}: make it, or "
            "correct ICEBERG_WAREHOUSE_PATH"
        )
