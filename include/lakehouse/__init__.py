"""The lake: branches, tables and versions, behind one interface for both profiles."""

from include.errors import SettingsError
from include.lakehouse.interface import (
    LAKE_FORMAT,
    Branch,
    BranchInfo,
    Lakehouse,
    Reference,
    Swept,
    Version,
)
from include.lakehouse.names import branch_name
from include.lakehouse.rows import Merged, merge_rows
from include.settings import Settings


def open_lakehouse(settings: Settings) -> Lakehouse:
    """The lake of these settings; nothing is created before the first branch is opened.

    Raises LakeFormatError when a newer program wrote it, ServiceError when the home cannot be used,
    SettingsError for a profile that is not available.
    """
    if settings.lakehouse_profile == "trino":
        raise SettingsError(
            "LAKEHOUSE_PROFILE=trino is not available yet: set it to embedded, or leave it out"
        )
    from include.lakehouse.embedded import EmbeddedLakehouse  # DuckDB and SQLite, of no use to trino

    return EmbeddedLakehouse(settings.lakehouse_home)


__all__ = [
    "LAKE_FORMAT",
    "Branch",
    "BranchInfo",
    "Lakehouse",
    "Merged",
    "Reference",
    "Swept",
    "Version",
    "branch_name",
    "merge_rows",
    "open_lakehouse",
]
