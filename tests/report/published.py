"""The published schema in Postgres, made from the contracts of the models, and rows of a person in it."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from psycopg import sql
from psycopg.types.json import Jsonb

from include.report.marts import SiteMarts
from include.serving.operations import prepare
from include.serving.postgres import Connection, Postgres
from include.settings import PROJECT

MODELS = PROJECT / "include" / "dbt" / "models"
TYPES = {"varchar": "text", "double": "double precision"}
READ = (
    "dim_sites",
    "mrt_current_glucose",
    "mrt_data_quality",
    "mrt_glucose_agp",
    "mrt_glucose_events",
    "mrt_glucose_hourly_patterns",
    "mrt_glucose_overview",
    "mrt_glucose_periods",
    "mrt_glucose_recent",
    "mrt_treatments_daily",
)
PUBLISH = """
insert into ops.publication (version, run_id, published_at, row_counts) values (%s, 'run', %s, %s)
on conflict (is_current) do update set version = excluded.version, published_at = excluded.published_at
"""


def make_tables(postgres: Postgres) -> None:
    """Every table that the report reads, empty; nothing is published yet."""
    prepare(postgres)
    with postgres.transaction() as connection:
        connection.execute("create schema marts")
        for model in READ:
            shape = sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(of))
                for name, of in contract(model).items()
            )
            connection.execute(sql.SQL("create table marts.{} ({})").format(sql.Identifier(model), shape))


def contract(model: str) -> dict[str, str]:
    """The columns of a model and their types in Postgres."""
    (path,) = MODELS.glob(f"*/{model}.yml")
    (described,) = yaml.safe_load(path.read_text())["models"]
    return {column["name"]: _type(column["data_type"]) for column in described["columns"]}


def _type(data_type: str) -> str:
    """A template says what an instant is on either engine."""
    if "timestamp" in data_type:
        return "timestamp with time zone" if "with time zone" in data_type else "timestamp"
    return TYPES.get(data_type, data_type)


def publish(postgres: Postgres, *people: SiteMarts) -> None:
    """The rows of these people take the place of all others, as one publication."""
    with postgres.transaction() as connection:
        for model in READ:
            connection.execute(sql.SQL("delete from marts.{}").format(sql.Identifier(model)))
        for of in people:
            site_id = of.site["site_id"]
            fill(connection, "dim_sites", [*of.zones_before, of.site])
            fill(connection, "mrt_current_glucose", [of.current], site_id)
            fill(connection, "mrt_glucose_periods", [of.period, of.before, of.hours_period], site_id)
            days = {"period_days": of.period["period_days"]} if of.period else {}
            fill(connection, "mrt_glucose_agp", [row | days for row in of.bins], site_id)
            fill(connection, "mrt_glucose_overview", of.overview, site_id)
            fill(connection, "mrt_glucose_recent", of.slots, site_id)
            fill(connection, "mrt_glucose_events", of.events, site_id)
            fill(connection, "mrt_glucose_hourly_patterns", of.hours, site_id)
            fill(connection, "mrt_treatments_daily", of.treatments, site_id)
            fill(connection, "mrt_data_quality", of.quality, site_id)
            connection.execute(PUBLISH, [of.version, of.published_at, Jsonb({})])


def fill(
    connection: Connection, model: str, rows: Iterable[Mapping[str, Any] | None], site_id: str = ""
) -> None:
    """Insert rows; what they do not name is null. A column that the model does not have fails."""
    given = [{**row, **({"site_id": site_id} if site_id else {})} for row in rows if row is not None]
    if not given:
        return
    names = list(given[0])
    statement = sql.SQL("insert into marts.{} ({}) values ({})").format(
        sql.Identifier(model),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(map(sql.Placeholder, names)),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, given)
