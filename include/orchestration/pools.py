"""Pools: how many tasks of a kind run at a time. Imports nothing of Airflow."""

API_POOL = "nightscout_api"
LEASE_POOL = "lease"
WAREHOUSE_POOL = "warehouse"

POOLS = {  # slots, and what people read about them
    API_POOL: (2, "Requests to Nightscout sites at a time; the sites are small"),
    # A backfill of the UI starts ten runs at once. Did each that waits take a slot of the executor, none
    # would be left for the run whose turn it is: all would wait until they time out.
    LEASE_POOL: (3, "Runs that ask for their turn; fewer than the executor has slots"),
    WAREHOUSE_POOL: (1, "dbt builds at a time; DuckDB's file has one writer"),
}
