"""Copying models of main or of the working branch into a staging schema of Postgres, by Trino."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from include.errors import InputError, PublishError, ServiceError
from include.lakehouse.engine import identifier
from include.lakehouse.nessie.trino import PIPELINE, PUBLISHED, Trino, run

AT_ONCE = 4


def copy_models(
    trino: Trino,
    catalogs: Mapping[str, Callable[[], bool]],
    models: Sequence[tuple[str, str]],
    password: str,
    staging_schema: str,
) -> dict[str, int]:
    """Copy each model (schema, table) from the first of `catalogs` that shows the state which is wanted.

    Each catalog comes with the question whether it does; it is asked again at the end, since Trino reads
    whatever a branch names at that moment. Raises PublishError, ServiceError when Trino does not answer.
    """
    catalog = next((name for name, is_shown in catalogs.items() if is_shown()), None)
    if catalog is None:
        raise PublishError("main moved since it was opened, readers keep the last tables: publish again")
    try:
        staging = f"{PUBLISHED}.{identifier(staging_schema)}"
        _demand_schema(trino, staging_schema)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            counts = list(pool.map(partial(_copy, trino, catalog, staging), models))
    except (InputError, ServiceError) as error:
        said = str(error).replace(password, "***") if password else str(error)
        raise PublishError(
            f"the tables cannot be copied to Postgres, readers keep the last ones: {said}"
        ) from None
    if not catalogs[catalog]():
        raise PublishError("main moved while it was copied, readers keep the last tables: publish again")
    return {table: count for (_, table), count in zip(models, counts, strict=True)}


def _demand_schema(trino: Trino, name: str) -> None:
    if [name] not in trino.rows(f"show schemas from {PUBLISHED}", PUBLISHED, user=PIPELINE):
        raise InputError(f"Trino's catalog {PUBLISHED} leads to another database than ours, correct it")


def _copy(trino: Trino, catalog: str, staging: str, model: tuple[str, str]) -> int:
    """One model; gives the rows that Trino read of it."""
    schema, table = map(identifier, model)
    target = f"{staging}.{table}"
    with trino.cursor(catalog, user=PIPELINE) as cursor:
        run(cursor, f"drop table if exists {target}")
        selected = f"select * from {identifier(catalog)}.{schema}.{table}"  # noqa: S608 (names of models)
        ((count,),) = run(cursor, f"create table {target} as {selected}")
    return int(count)
