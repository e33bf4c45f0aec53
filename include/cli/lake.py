"""Looking into the lake, and going back to an older version."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer

from include.cli.output import CsvOption, JsonOption, Row, say, show
from include.connections import environment_connection
from include.lakehouse import Version, open_lakehouse
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
    names, found = open_lakehouse(load_settings()).ask(query, ref)
    columns = _told_apart(names)
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    show(rows, columns=columns, as_csv=as_csv, as_json=as_json)


def status(as_csv: CsvOption = False, as_json: JsonOption = False) -> None:
    """What is loaded, missing, published, left out, set aside; what checks found, how runs ended."""
    found = lake_status(Pipeline(load_settings()))
    if as_json:
        show([asdict(found)], as_json=True)
        return
    if as_csv:
        show(_facts(asdict(found)), as_csv=True)
        return
    for line in [*found.lines(), *found.unread_lines()]:
        say(line)
    if found.checks:
        say(f"Checks of {found.checks[0]['run_id']}, what is wrong first; they are no medical alarm:")
        for line in found.check_lines():
            say(line)
    if found.sites:
        show(found.sites, title="Sites")
    if found.waiting:
        show(found.waiting, title="Not merged yet")
    if found.runs:
        show(found.last_runs(), title="Last runs")


def history(as_csv: CsvOption = False, as_json: JsonOption = False) -> None:
    """The versions of the lake that are kept, newest first."""
    versions = open_lakehouse(load_settings()).history()
    rows = [
        {
            "version": version.name,
            "promoted_at": version.promoted_at,
            "run_id": version.run_id,
            "state": _state(version),
        }
        for version in versions
    ]
    columns = ("version", "promoted_at", "run_id", "state")
    show(rows, title="Versions", columns=columns, as_csv=as_csv, as_json=as_json)


def rollback(
    version: Annotated[str, typer.Argument(help="A version of `lakehouse history`.")],
) -> None:
    """Make an older version main again, and publish it."""
    going_back.rollback(Pipeline(load_settings()), version, say)


def connect() -> None:
    """How a person or a BI tool connects to the published tables."""
    say(connection_text(load_settings(), environment_connection))


def _facts(status: Row) -> list[Row]:
    """The parts of a status in one form that a CSV can hold: about what, which row of it, name and value."""
    parts = {about: rows for about, rows in status.items() if isinstance(rows, list)}
    whole = {name: value for name, value in status.items() if name not in parts}
    return [{"about": "lake", "row": "", "name": name, "value": value} for name, value in whole.items()] + [
        {"about": about, "row": number, "name": name, "value": value}
        for about, rows in parts.items()
        for number, row in enumerate(rows, 1)
        for name, value in row.items()
    ]


def _state(version: Version) -> str:
    if version.is_main:
        return "main"
    return "undone by a rollback" if version.is_superseded else ""


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
