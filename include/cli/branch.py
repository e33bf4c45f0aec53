"""Branches: what runs left open."""

from typing import Annotated

import typer

from include.cli.output import CsvOption, JsonOption, say, show
from include.lakehouse import open_lakehouse
from include.run.under_way import refuse_to_drop
from include.settings import load_settings

app = typer.Typer(
    help="Branches that were not promoted.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)

LISTED = ("branch", "base", "opened_at")


@app.command("list")
def list_branches(as_csv: CsvOption = False, as_json: JsonOption = False) -> None:
    """Open branches: of a run under way, of failed runs, of runs told not to promote, and made by hand."""
    branches = [branch for branch in open_lakehouse(load_settings()).branches() if not branch.is_promoted]
    rows = [
        {"branch": branch.name, "base": branch.base, "opened_at": branch.opened_at} for branch in branches
    ]
    show(rows, title="Branches", columns=LISTED, as_csv=as_csv, as_json=as_json)


@app.command("create")
def create_branch(name: Annotated[str, typer.Argument(help="Letters, digits, '-' and '_'.")]) -> None:
    """Make a branch of main, to try something on; no run writes it, and it stays until you drop it."""
    open_lakehouse(load_settings()).create_branch(name)
    say(f'Made {name} from main: lakehouse sql --ref {name} "select ..."; lakehouse branch drop {name}')


@app.command("drop")
def drop_branch(name: Annotated[str, typer.Argument(help="A branch of `lakehouse branch list`.")]) -> None:
    """Remove an open branch; not a version, and not what a run under way is writing."""
    settings = load_settings()
    lakehouse = open_lakehouse(settings)
    refuse_to_drop(settings, lakehouse, name)
    lakehouse.drop_branch(name)
    say(f"Dropped {name}.")
