"""PyIceberg's way to the S3 store, which says in one sentence when the store is of no use."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from pyiceberg.io import InputStream, OutputStream
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from include.errors import ServiceError

OF_THE_STORE = (None, errno.ENOENT, errno.EACCES)  # with any other number it is this machine's own error


class ToldFileIO(PyArrowFileIO):
    """Opening a file raises ServiceError; metadata comes before any data, so a dead store is seen there."""

    def new_input(self, location: str) -> PyArrowFile:
        """PyIceberg's."""
        return _ToldFile(super().new_input(location), self.properties["s3.endpoint"])

    def new_output(self, location: str) -> PyArrowFile:
        """PyIceberg's."""
        return _ToldFile(super().new_output(location), self.properties["s3.endpoint"])


class _ToldFile(PyArrowFile):
    def __init__(self, file: PyArrowFile, endpoint: str) -> None:
        super().__init__(file.location, file._path, file._filesystem, file._buffer_size)
        self._endpoint = endpoint

    def __len__(self) -> int:
        with told(self._endpoint):
            return super().__len__()

    def exists(self) -> bool:
        with told(self._endpoint):
            return super().exists()

    def open(self, seekable: bool = True) -> InputStream:
        with told(self._endpoint):
            return super().open(seekable)

    def create(self, overwrite: bool = False) -> OutputStream:
        with told(self._endpoint):
            return super().create(overwrite)


@contextmanager
def told(endpoint: str) -> Iterator[None]:
    """Turn what the S3 client says into one sentence. Raises ServiceError; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in OF_THE_STORE:
            raise
        said = (str(error).splitlines() or ["no reason given"])[0]
        raise ServiceError(
            f"the S3 store on {endpoint} is not usable ({said}): see that it runs, that its keys are right "
            "and that it has the lake's files, then try again"
        ) from error
