"""`lakehouse`: look into the lake, go back to older versions, start runs."""

import sys
from pathlib import Path

import typer
from rich.console import Console

from include.cli import branch, lake, quarantine, run, site, stack
from include.errors import InputError, LakehouseError, SettingsError
from include.lakehouse.disk import usable_disk

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (lake.sql, lake.status, lake.history, lake.rollback, lake.connect):
    app.command()(command)
for command in (run.run, run.shell, run.up, run.clean):
    app.command()(command)
app.command(context_settings={"ignore_unknown_options": True})(run.dbt)
app.add_typer(branch.app, name="branch")
app.add_typer(site.app, name="site")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(stack.app, name="stack")


def main() -> None:
    """Run the command. An expected error is one sentence on standard error: exit 2 for input, 1 otherwise."""
    try:
        with usable_disk(Path("LAKEHOUSE_HOME")):
            app()
    except LakehouseError as error:
        Console(stderr=True, highlight=False).print(f"lakehouse: {error}", markup=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, InputError | SettingsError) else 1)
