"""Airflow's connections, for sites and for servers of one's own."""

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from include.connections import Fields


def airflow_connection(connection_id: str) -> Fields | None:
    """A connection, wherever Airflow keeps it: environment, database, secrets backend; None when nowhere.

    For use inside a task.
    """
    try:
        connection = Connection.get(connection_id)
    except AirflowNotFoundException:
        return None
    return Fields(
        host=connection.host,
        schema=connection.schema,
        port=connection.port,
        login=connection.login,
        password=connection.password,
    )
