"""Documents that were refused, and why."""

from typing import Annotated

import typer

from include.cli.output import CsvOption, JsonOption, Row, say, show
from include.errors import InputError
from include.lakehouse import open_lakehouse
from include.settings import load_settings

app = typer.Typer(help="Documents that were refused, and why.", no_args_is_help=True)

LISTED = ("site_id", "collection", "payload_hash", "document_id", "reasons", "first_seen_at", "resolved_at")
SHOWN_HASH = 12  # characters; a whole one would fill a terminal


@app.command("list")
def list_quarantine(as_csv: CsvOption = False, as_json: JsonOption = False) -> None:
    """Every refused document: where it came from, when it was first seen, all reasons."""
    rows = _quarantine(LISTED)
    if not as_csv and not as_json:
        rows = [row | {"payload_hash": row["payload_hash"][:SHOWN_HASH]} for row in rows]
    show(rows, title="Quarantine", columns=LISTED, as_csv=as_csv, as_json=as_json)


@app.command("show")
def show_document(
    payload_hash: Annotated[str, typer.Argument(metavar="HASH", help="Start of a hash of the list.")],
) -> None:
    """The refused documents whose hash starts so, as they were received."""
    found = [
        row for row in _quarantine((*LISTED, "document")) if row["payload_hash"].startswith(payload_hash)
    ]
    if not found:
        raise InputError(
            f"No quarantined document starts with {payload_hash!r}: see lakehouse quarantine list."
        )
    for row in found:
        say(f"{row['site_id']} {row['collection']}: {row['reasons']}")
        say(row["document"])


def _quarantine(columns: tuple[str, ...]) -> list[Row]:
    table = open_lakehouse(load_settings()).at("main").table("quarantine")
    rows: list[Row] = table.scan(selected_fields=columns).to_arrow().select(columns).to_pylist()
    return sorted(rows, key=lambda row: row["first_seen_at"], reverse=True)
