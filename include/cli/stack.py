"""The services of the profile `trino` on this machine."""

import time
from dataclasses import asdict

import typer

from include.cli.output import CsvOption, JsonOption, say, show
from include.settings import load_settings

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Postgres, S3, Nessie and Trino on this machine: what the profile trino needs.",
    no_args_is_help=True,
)


@app.command()
def up() -> None:
    """Start what does not run; return when all of it is ready. The first time it downloads 1.1 GB."""
    from include.stack.stack import Stack

    settings = load_settings()
    began = time.monotonic()
    Stack(settings, say).up()
    say(
        f"The stack is ready after {time.monotonic() - began:.0f} seconds: Trino on http://127.0.0.1:"
        f"{settings.lakehouse_trino_port}, Nessie on http://127.0.0.1:{settings.lakehouse_nessie_port}. "
        f"Logs: {settings.stack_path / 'logs'}. `lakehouse stack down` stops it and keeps its data."
    )


@app.command()
def down() -> None:
    """Stop all of it, Postgres too. The data stays."""
    from include.stack.stack import Stack

    Stack(load_settings()).down()
    say("The stack is stopped; its data is kept.")


@app.command()
def java() -> None:
    """Which Java would run Trino and Nessie."""
    from include.stack.java import find_java

    say(f"Trino and Nessie run on {find_java()}.")


@app.command()
def status(as_csv: CsvOption = False, as_json: JsonOption = False) -> None:
    """What runs, where it listens, how much memory it takes."""
    from include.stack.stack import Stack

    show([asdict(service) for service in Stack(load_settings()).status()], as_csv=as_csv, as_json=as_json)
