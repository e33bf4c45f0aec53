"""The same runs on both profiles, and what each of them made of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from include.connections import Fields, FindConnection, environment_connection
from include.nightscout.demo.server import serve
from include.nightscout.demo.versions import OBJECT_ID, Document, ObjectId
from include.nightscout.windows import milliseconds
from include.run.pipeline import Pipeline
from include.run.transform import DBT_PROJECT, ensure_manifest, model_schemas
from include.schemas import RAW_TABLES
from include.serving.postgres import stop
from include.settings import Settings
from tests.free_ports import free_port
from tests.lakehouse.both import empty
from tests.run.steps import Facts, run

RELATIVE = 1e-9
# Which run wrote a row, and when: of two lakes they cannot be the same.
OF_THE_RUN = (
    "run_id",
    "read_id",
    "first_seen_at",
    "first_read_at",
    "ingested_at",
    "fetched_at",
    "merged_at",
)


@dataclass
class Site:
    """A site to serve. `documents` by collection; None: those of the simulated person."""

    zone: str
    documents: Mapping[str, Sequence[Document]] | None = None

    def newest_first(self, collection: str, earliest: float, latest: float, now: float) -> Iterator[Document]:
        """An archive, as the demo server takes it."""
        assert self.documents is not None
        for document in self.documents[collection]:
            if earliest <= instant_of(document) <= min(latest, now):
                yield document


def instant_of(document: Document) -> float:
    if "date" in document:
        return float(document["date"])
    return milliseconds(datetime.fromisoformat(document.get("startDate") or document["created_at"]))


def exported(folder: Path, person: str) -> dict[str, list[Document]]:
    """A person's real documents, newest first, with the `_id` that they had in their database."""
    found = {}
    for collection in ("entries", "treatments", "profile"):
        documents = json.loads((folder / f"{person}_{collection}.json").read_text())
        for document in documents:
            if OBJECT_ID.fullmatch(document["_id"]):
                document["_id"] = ObjectId(document["_id"])
        found[collection] = sorted(documents, key=instant_of, reverse=True)
    return found


class Clock:
    """What the sites take for now."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def both_profiles(
    stack_settings: Settings, folder: Path, sites: Mapping[str, Site], clock: Clock
) -> Iterator[tuple[Pipeline, Pipeline]]:
    """An empty lake on each profile, reading the same sites: the embedded one first. No sites: the demo."""
    empty(stack_settings)
    listed = [{"id": name, "connection": name, "zone": site.zone} for name, site in sites.items()]
    listing = folder / "sites.yaml"
    if listed:
        listing.write_text(json.dumps(listed))
    with ExitStack() as servers:
        addresses = {}
        for name, site in sites.items():
            archive = {"archive": site.newest_first} if site.documents is not None else {}
            port = int(servers.enter_context(serve(clock, **archive)).rpartition(":")[2])
            addresses[name] = Fields("127.0.0.1", "http", port)
        embedded = servers.enter_context(embedded_pipeline(folder, addresses.get, sites_file=listing))
        trino = Pipeline(stack_settings.model_copy(update={"sites_file": listing}), addresses.get)
        for pipeline in (embedded, trino):
            ensure_manifest(pipeline.settings)
        yield embedded, trino


@contextmanager
def embedded_pipeline(
    folder: Path, find_connection: FindConnection = environment_connection, **site: Any
) -> Iterator[Pipeline]:
    """The steps on an empty embedded lake of its own."""
    settings = Settings(
        _env_file=None, lakehouse_home=folder / "home", lakehouse_postgres_port=free_port(), **site
    )
    try:
        yield Pipeline(settings, find_connection)
    finally:
        stop(settings)


def run_on(pipelines: Sequence[Pipeline], request: Facts, name: str) -> None:
    for pipeline in pipelines:
        run(pipeline, request, name)


def lake_tables(pipeline: Pipeline) -> dict[str, pl.DataFrame]:
    """Every table of every layer on main, by `schema.table`, but for steps: tables on DuckDB only."""
    main = pipeline.lakehouse.at("main")
    steps = {path.stem for path in (DBT_PROJECT / "models").glob("*/steps/*.sql")}
    names = [f"raw.{name}" for name in RAW_TABLES]
    schemas = model_schemas(pipeline.settings)
    names += [f"{schema}.{name}" for name, schema in schemas.items() if name not in steps]
    return {name: comparable(main.query(f"select * from {name}")) for name in names}  # noqa: S608


def published_tables(pipeline: Pipeline) -> dict[str, pl.DataFrame]:
    """Every published table, by its name; a column's type is part of its name."""
    found = {}
    with pipeline.postgres.transaction() as connection:
        names = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'marts'"
        ).fetchall()
        for (name,) in names:
            with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
                query = sql.SQL("select * from {}").format(sql.Identifier("marts", name))
                rows = cursor.execute(query).fetchall()
                assert cursor.description is not None
                types = {column.name: f"{column.name} {column.type_display}" for column in cursor.description}
            columns = {title: [row[column] for row in rows] for column, title in types.items()}
            found[name] = in_order(pl.DataFrame(columns, strict=False))
    return found


def comparable(table: Any) -> pl.DataFrame:
    frame = pl.DataFrame(table)
    assert isinstance(frame, pl.DataFrame)
    if "deleted_at" in frame.columns:  # when is a matter of the run; whether is not
        frame = frame.with_columns(pl.col("deleted_at").is_not_null())
    if "window_end" in frame.columns:  # profiles are read up to the lease's time
        end = pl.when(pl.col("collection") != "profile").then(pl.col("window_end"))
        frame = frame.with_columns(end.alias("window_end"))
    return in_order(frame.drop(OF_THE_RUN, strict=False))


def in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows sorted by all that is exact, then by the floats: which row comes where is decided by no float
    unless all else is equal."""
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    return frame.sort([*(name for name in frame.columns if name not in floats), *floats], nulls_last=True)


def differences(left: pl.DataFrame, right: pl.DataFrame) -> list[str]:
    """What differs, in words; floats may by one part in a thousand million."""
    if left.schema != right.schema:
        return [f"{pair}" for pair in set(left.schema.items()) ^ set(right.schema.items())]
    if left.height != right.height:
        return [f"{left.height} and {right.height} rows"]
    found = []
    for name, dtype in left.schema.items():
        ours, theirs = left[name], right[name]
        equal = ours.eq_missing(theirs)
        if dtype.is_float():
            largest = pl.select(pl.max_horizontal(ours.abs(), theirs.abs())).to_series()
            equal = equal | ((ours - theirs).abs() <= RELATIVE * largest).fill_null(value=False)
        if not equal.all():
            rows = (~equal).arg_true().head(3)
            found.append(f"{name}: {ours[rows].to_list()} and {theirs[rows].to_list()}")
    return found
