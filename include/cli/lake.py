"""Looking into the lake, and going back to an older version."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer

from include.cli.output import CsvOption, JsonOption, say, show
from include.lakehouse import open_lakehouse
from include.run import rollback as going_back
from include.run.pipeline import Pipeline
from include.run.status import lake_status
from include.serving.connect import connection_text
from include.settings import load_settings


def sql(
    query: Annotated[
        str, typer.Argument(help="One query; tables are raw.*, bronze.*, silver.*, gold.*, marts.*")
    ],
    ref: Annotated[str, typer.Option(help="main, a version or a branch.")] = "main",
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the lake something; nothing can be changed."""
    found = open_lakehouse(load_settings()).at(ref).query(query)
    columns = _told_apart(found.column_names)
    show(found.rename_columns(columns).to_pylist(), columns=columns, as_csv=as_csv, as_json=as_json)


def status(as_json: JsonOption = False) -> None:
    """What is loaded, published, left out, set aside; and who runs now."""
    found = lake_status(Pipeline(load_settings()))
    if as_json:
        show([asdict(found)], as_json=True)
        return
    for line in found.lines():
        say(line)
    if found.sites:
        show(found.sites, title="Sites")
    if found.waiting:
        show(found.waiting, title="Not merged")


def history(as_csv: CsvOption = False, as_json: JsonOption = False) -> None:
    """The versions of the lake that are kept, newest first."""
    versions = open_lakehouse(load_settings()).history()
    rows = [
        {
            "version": version.name,
            "promoted_at": version.promoted_at,
            "run_id": version.run_id,
            "main": "main" if version.is_main else "",
        }
        for version in versions
    ]
    show(rows, title="Versions", as_csv=as_csv, as_json=as_json)


def rollback(
    version: Annotated[str, typer.Argument(help="A version of `lakehouse history`.")],
) -> None:
    """Make an older version main again, and publish it."""
    going_back.rollback(Pipeline(load_settings()), version, say)


def connect() -> None:
    """How a person or a BI tool connects to the published tables."""
    say(connection_text(load_settings()))


def _told_apart(names: Iterable[str]) -> list[str]:
    """The names, with a number after those that came before: a join may give two columns of one name."""
    distinct: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in distinct:
            number += 1
            candidate = f"{name}_{number}"
        distinct.append(candidate)
    return distinct
