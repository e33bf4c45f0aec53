"""Addresses and credentials of sites, from Airflow's connections."""

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from include.errors import SettingsError
from include.nightscout.connections import Credentials, from_fields


def airflow_connection(connection_id: str) -> tuple[str, Credentials]:
    """URL and credentials of a connection, wherever Airflow keeps it: environment, database, secrets backend.

    For use inside a task. Raises SettingsError when there is none of this name.
    """
    try:
        connection = Connection.get(connection_id)
    except AirflowNotFoundException:
        raise SettingsError(
            f"connection {connection_id} is not defined: add it to Airflow (Admin, Connections), "
            f"or set AIRFLOW_CONN_{connection_id.upper()}"
        ) from None
    return from_fields(
        host=connection.host, schema=connection.schema, port=connection.port, password=connection.password
    )
