"""The lake: branches, tables and versions, behind one interface for both profiles."""

from include.connections import FindConnection, demanded, environment_connection
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


def open_lakehouse(settings: Settings, find_connection: FindConnection = environment_connection) -> Lakehouse:
    """The lake of these settings; nothing is created before the first branch is opened.

    Raises LakeFormatError when a newer program wrote it (on the profile trino at the first use), ServiceError
    when the home cannot be used or the stack was never started, SettingsError when keys are missing.
    """
    if settings.lakehouse_profile == "trino":
        # Here, since the embedded profile has no use for Trino's client.
        from include.lakehouse.nessie.lakehouse import NessieLakehouse
        from include.lakehouse.nessie.trino import CONNECTION as TRINO
        from include.lakehouse.nessie.trino import Trino, own_trino
        from include.serving.postgres import CONNECTION as POSTGRES
        from include.stack.connection import lake_connection

        if settings.nessie_uri is not None:  # half of one's own servers and half of ours would be two lakes
            for connection_id in (TRINO, POSTGRES):
                demanded(find_connection, connection_id)
        trino = own_trino(find_connection) or Trino(settings.lakehouse_trino_port)
        return NessieLakehouse(lake_connection(settings), trino, settings.lakehouse_home, settings.dbt_path)
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
