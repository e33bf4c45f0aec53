"""`lakehouse`: look into the lake, go back to older versions, start runs."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from include.disk import usable_disk
from include.errors import InputError, LakehouseError, SettingsError

# The module of each command is imported when it is asked for: all of them take more than a second.
MODULES = {
    "sql": "lake",
    "status": "lake",
    "history": "lake",
    "rollback": "lake",
    "connect": "lake",
    "report": "report",
    "run": "run",
    "shell": "run",
    "up": "run",
    "clean": "run",
    "dbt": "run",
    "branch": "branch",
    "site": "site",
    "quarantine": "quarantine",
    "stack": "stack",
}
FOR_DBT = {"ignore_unknown_options": True}


class Commands(TyperGroup):
    """The commands by their names."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (names are Typer's)
        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 (names are Typer's)
        return command(cmd_name) if cmd_name in MODULES else None


def command(name: str) -> Any:
    """A function of its module, or, where the module has an `app`, that group of commands."""
    module = import_module(f"include.cli.{MODULES[name]}")
    found = getattr(module, "app", None)
    if found is None:
        found = typer.Typer(add_completion=False, rich_markup_mode=None)
        found.command(name, context_settings=FOR_DBT if name == "dbt" else None)(getattr(module, name))
    return typer.main.get_command(found)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def lakehouse() -> None:
    """Look into the lake, go back to older versions, start runs."""


def main() -> None:
    """Run the command. An expected error is one sentence on standard error: exit 2 for input, 1 otherwise."""
    try:
        with usable_disk(Path("LAKEHOUSE_HOME")):
            app()
    except LakehouseError as error:
        Console(stderr=True, highlight=False).print(f"lakehouse: {error}", markup=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, InputError | SettingsError) else 1)
