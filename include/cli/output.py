"""How the command shows rows: a table for people, CSV or JSON for programs."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

console = Console(highlight=False)

Row = dict[str, Any]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show(rows: Sequence[Row], *, title: str = "", as_csv: bool = False, as_json: bool = False) -> None:
    """Print rows that share their keys. Tables round floats to two digits; CSV and JSON never round."""
    if as_json:
        json.dump(rows, sys.stdout, default=_text, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    elif as_csv:
        _write_csv(rows)
    elif not rows:
        console.print(f"{title}: none" if title else "no rows")
    else:
        _print_table(rows, title)


def _write_csv(rows: Sequence[Row]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    writer.writerows([_text(value) for value in row.values()] for row in rows)


def _print_table(rows: Sequence[Row], title: str) -> None:
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name, value in rows[0].items():
        table.add_column(name, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row.values()))
    console.print(table)


def _cells(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        yield f"{value:.2f}" if isinstance(value, float) else _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return str(value)
