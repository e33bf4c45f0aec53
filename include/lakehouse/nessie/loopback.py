"""This machine needs no proxy to reach itself."""

import os

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def spare_loopback() -> None:
    """Tell all that runs in this process: DuckDB and dbt look for it in the environment alone."""
    names = ("no_proxy", "NO_PROXY")  # which one counts differs between them
    said = next((os.environ[name] for name in names if os.environ.get(name)), "")
    missing = [host for host in LOOPBACK if host not in said.split(",")]
    os.environ.update(dict.fromkeys(names, ",".join(filter(None, [said, *missing]))))
