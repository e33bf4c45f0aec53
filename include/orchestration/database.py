"""Airflow's metadata database: its tables and our pools. Run as a program: `environment.prepare_airflow`."""

from airflow.configuration import write_default_airflow_configuration_if_needed
from airflow.models.pool import Pool
from airflow.utils.db import initdb

from include.orchestration.pools import POOLS


def make_database() -> None:
    """Create or migrate the tables, then create or update the pools.

    First the configuration file, which holds the keys that components have to share: were it missing when
    they start together, each would make its own.
    """
    write_default_airflow_configuration_if_needed()
    initdb()
    for name, (slots, description) in POOLS.items():
        Pool.create_or_update_pool(name, slots, description, include_deferred=False)


if __name__ == "__main__":
    make_database()
