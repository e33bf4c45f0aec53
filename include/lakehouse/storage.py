"""Where the files of a table lie, and what is said when that place cannot be used."""

from contextlib import AbstractContextManager
from pathlib import Path

from pyiceberg.table import Table

from include.disk import usable_disk

_LOCAL = "file://"


def usable_storage(table: Table) -> AbstractContextManager[None]:
    """Turn what the disk or the store of a table says into one sentence. Raises ServiceError."""
    location = table.location()
    if location.startswith(_LOCAL):
        return usable_disk(Path(location.removeprefix(_LOCAL)))
    from include.lakehouse.nessie.file_io import told  # of the profile trino alone

    return told(str(table.io.properties.get("s3.endpoint")))
