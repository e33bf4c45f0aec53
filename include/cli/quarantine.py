"""Documents that were refused, and why."""

from typing import Annotated

import typer

from include.cli.output import CsvOption, JsonOption, Row, say, show
from include.errors import InputError
from include.ingestion.unmerged import refused_documents
from include.run.pipeline import Pipeline
from include.settings import load_settings

app = typer.Typer(
    help="Documents that were refused, and why.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

STORED = ("site_id", "collection", "payload_hash", "document_id", "reasons", "first_seen_at", "resolved_at")
LISTED = (*STORED, "state")
KEY = ("site_id", "collection", "payload_hash")
NOT_MERGED = "not merged yet"  # of a failed run or a site that was left out: it lies in the stage only
SHOWN_HASH = 12  # characters; a whole one would fill a terminal


@app.command("list")
def list_quarantine(as_csv: CsvOption = False, as_json: JsonOption = False) -> None:
    """Every refused document: where it came from, when it was first seen, all reasons, what became of it."""
    rows = [{name: row[name] for name in LISTED} for row in _quarantine()]
    if not as_csv and not as_json:
        shown = [name for name in LISTED if name != "resolved_at"]  # a terminal is narrow; the state says it
        rows = [{name: row[name] for name in shown} for row in rows]
        rows = [row | {"payload_hash": row["payload_hash"][:SHOWN_HASH]} for row in rows]
    show(rows, title="Quarantine", columns=LISTED, as_csv=as_csv, as_json=as_json)


@app.command("show")
def show_document(
    payload_hash: Annotated[str, typer.Argument(metavar="HASH", help="Start of a hash of the list.")],
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """The refused documents whose hash starts so, as they were received."""
    found = [row for row in _quarantine() if row["payload_hash"].startswith(payload_hash)]
    if not found:
        raise InputError(
            f"No quarantined document starts with {payload_hash!r}: see lakehouse quarantine list."
        )
    if as_csv or as_json:
        show(found, as_csv=as_csv, as_json=as_json)
        return
    for row in found:
        waits = f", {NOT_MERGED}" if row["state"] == NOT_MERGED else ""
        say(f"{row['site_id']} {row['collection']}{waits}: {row['reasons']}")
        say(row["document"])


def _quarantine() -> list[Row]:
    """Of main and of the stage, newest first, each document once."""
    pipeline = Pipeline(load_settings())
    columns = (*LISTED, "document")
    found: dict[tuple[str, ...], Row] = {}
    for row in refused_documents(pipeline.inbox, pipeline.outcomes_of_main().merged_reads()):
        staged = row | {"state": NOT_MERGED}
        found.setdefault(tuple(row[name] for name in KEY), {name: staged[name] for name in columns})
    if pipeline.lakehouse.main_version() is not None or not found:
        stored = (*STORED, "document")
        table = pipeline.lakehouse.at("main").table("quarantine")
        for row in table.scan(selected_fields=stored).to_arrow().to_pylist():
            kept = row | {"state": "resolved" if row["resolved_at"] else "quarantined"}
            key = tuple(row[name] for name in KEY)
            if key not in found or not row["resolved_at"]:  # one that was resolved was refused again since
                found[key] = {name: kept[name] for name in columns}
    return sorted(found.values(), key=lambda row: row["first_seen_at"], reverse=True)
