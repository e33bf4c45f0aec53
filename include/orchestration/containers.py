"""What Airflow's parts find when they start in containers. Run as a program, by a service of its own."""

import json
import os
from pathlib import Path

from include.orchestration.database import make_database
from include.run.transform import ensure_manifest
from include.serving.secret_file import write_secret
from include.settings import load_settings


def prepare() -> None:
    """Make the metadata database, the pools, dbt's manifest, and the file with the password of `admin`.

    What exists is brought up to date, the password too. The environment is that of the image and of
    docker-compose.yaml. Raises LakehouseError.
    """
    settings = load_settings()
    make_database()
    passwords = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    write_secret(passwords, json.dumps({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}) + "\n")
    ensure_manifest(settings)


if __name__ == "__main__":
    prepare()
