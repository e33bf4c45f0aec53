"""Branches: what runs left open."""

from typing import Annotated

import typer

from include.cli.output import JsonOption, say, show
from include.lakehouse import open_lakehouse
from include.settings import load_settings

app = typer.Typer(help="Branches that were not promoted.", no_args_is_help=True)


@app.command("list")
def list_branches(as_json: JsonOption = False) -> None:
    """Open branches: of a run under way, of failed runs, of runs that were told not to promote."""
    branches = [branch for branch in open_lakehouse(load_settings()).branches() if not branch.is_promoted]
    rows = [
        {"branch": branch.name, "base": branch.base, "opened_at": branch.opened_at} for branch in branches
    ]
    show(rows, title="Branches", as_json=as_json)


@app.command("drop")
def drop_branch(name: Annotated[str, typer.Argument(help="A branch of `lakehouse branch list`.")]) -> None:
    """Remove an open branch; versions cannot be removed this way."""
    open_lakehouse(load_settings()).drop_branch(name)
    say(f"Dropped {name}.")
