"""Removing the lakehouse's home."""

import shutil

from include.errors import InputError
from include.run.under_way import refuse_to_clean
from include.serving.postgres import remove
from include.settings import Settings
from include.stack.stack import Stack

OURS = {
    *("airflow", "airflow-test", "dbt", "extensions", "lake", "logs", "postgres", "stack", "stage"),
    "reports",
    "spill",  # of a DuckDB that was killed while it needed more than its memory
}


def remove_home(settings: Settings) -> str:
    """Stop the stack and Postgres, then remove every file under LAKEHOUSE_HOME; says what it did.

    Raises InputError, and removes nothing, while a run is under way, and when something lies there that this
    program did not put there.
    """
    home = settings.lakehouse_home
    if not home.exists():
        return f"{home} does not exist: nothing to remove."
    foreign = sorted(path.name for path in home.iterdir() if path.name not in OURS)
    if foreign:
        raise InputError(
            f"{home} holds files that are not the lakehouse's ({', '.join(foreign[:5])}); "
            "move them away, or remove the folder by hand."
        )
    refuse_to_clean(settings)
    Stack(settings).down()
    remove(settings)
    shutil.rmtree(home)
    return f"Removed {home}."
