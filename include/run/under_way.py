"""Whether a run is writing now: asked before something is removed under it."""

from contextlib import suppress

from include.connections import environment_connection
from include.errors import InputError, ServiceError
from include.lakehouse import Lakehouse
from include.run.turn import process_has_ended
from include.serving.lease import READ, Owner
from include.serving.operations import prepare
from include.serving.postgres import running_postgres
from include.settings import Settings


def run_under_way(settings: Settings) -> Owner | None:
    """Who holds a lease that has not expired and whose process is not gone; starts nothing to find out.

    Raises ServiceError when Postgres runs but cannot be asked.
    """
    postgres = running_postgres(settings, environment_connection)
    if postgres is None:
        return None
    prepare(postgres)
    with postgres.transaction() as connection:
        row = connection.execute(f"{READ} and expires_at > now()").fetchone()
    holder = Owner(*row[:5]) if row else None
    return None if holder is None or process_has_ended(holder) else holder


def refuse_to_drop(settings: Settings, lakehouse: Lakehouse, name: str) -> None:
    """Raises InputError when the branch is that of the run under way."""
    of_branch = {branch.run_id for branch in lakehouse.branches() if branch.name == name} - {None}
    holder = run_under_way(settings) if of_branch else None
    if holder is not None and holder.run_id in of_branch:
        raise InputError(
            f"{holder.dag_id} {holder.run_id} is writing branch {name}: wait for it to end, or stop it first"
        )


def refuse_to_clean(settings: Settings) -> None:
    """Raises InputError while any run is under way."""
    holder = None
    with suppress(ServiceError):  # a Postgres that cannot be asked lets no run go on either
        holder = run_under_way(settings)
    if holder is not None:
        raise InputError(
            f"{holder.dag_id} {holder.run_id} is writing in {settings.lakehouse_home}, nothing was removed: "
            "wait for it to end, or stop it first"
        )
