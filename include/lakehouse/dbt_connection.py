"""What dbt-duckdb keeps open after a build in this process."""

import sys


def close_dbt_connection() -> None:
    """Close the DuckDB file that dbt holds until its process ends; nothing to do when it holds none.

    Otherwise nobody else in this process could open it: DuckDB has one handle a file.
    """
    connections = sys.modules.get("dbt.adapters.duckdb.connections")
    if connections is not None:
        with connections.DuckDBConnectionManager._LOCK:
            environment = connections.DuckDBConnectionManager._ENV
            connections.DuckDBConnectionManager.close_all_connections()
            if environment is not None:
                environment.close()
