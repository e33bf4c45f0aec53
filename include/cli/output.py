"""How the command shows rows: a table for people, CSV or JSON for programs."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False)

Row = dict[str, Any]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def say(sentence: str) -> None:
    """Print a sentence as it is: a path in it stays in one piece, brackets in it are no markup."""
    console.print(sentence, markup=False, soft_wrap=True)


def show(
    rows: Sequence[Row],
    *,
    title: str = "",
    columns: Sequence[str] = (),
    as_csv: bool = False,
    as_json: bool = False,
) -> None:
    """Print rows that share their keys. Tables round floats to two digits; CSV and JSON never round.

    `columns` are the keys, for the header of a CSV without rows.
    """
    if as_json:
        json.dump(rows, sys.stdout, default=_json, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    elif as_csv:
        _write_csv(rows, rows[0].keys() if rows else columns)
    elif not rows:
        say(f"{title}: none" if title else "no rows")
    elif sum(len(name) + 3 for name in rows[0]) < console.width:
        _print_table(rows, title)
    else:
        _print_records(rows, title)


def _write_csv(rows: Sequence[Row], columns: Iterable[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if header := list(columns):
        writer.writerow(header)
    writer.writerows([_text(value) for value in row.values()] for row in rows)


def _print_table(rows: Sequence[Row], title: str) -> None:
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name, value in rows[0].items():
        is_number = isinstance(value, int | float | Decimal)
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def _print_records(rows: Sequence[Row], title: str) -> None:
    """A line a column, row after row: for rows of which not even the header would fit into a line."""
    for number, row in enumerate(rows, start=1):
        place = f"{title}, {number} of {len(rows)}" if title else f"{number} of {len(rows)}"
        table = Table(title=place, title_justify="left", show_header=False)
        for name, value in row.items():
            table.add_row(Text(name), Text(_cell(value), overflow="fold"))
        console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else _text(value)


def _json(value: Any) -> Any:
    """What JSON has no form for. Sums of whole numbers are decimals to the engine."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
