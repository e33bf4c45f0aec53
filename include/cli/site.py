"""Sites."""

from typing import Annotated

import typer

from include.cli.output import say
from include.run.pipeline import Pipeline
from include.run.site_move import move_site
from include.settings import load_settings

app = typer.Typer(
    help="Sites.", no_args_is_help=True, callback=lambda: None, add_completion=False, rich_markup_mode=None
)


@app.command("move")
def move(site_id: Annotated[str, typer.Argument(help="The id of the site.")]) -> None:
    """Accept that a site's URL has changed: the id is bound to the configured origin from now on."""
    move_site(Pipeline(load_settings()), site_id, say)
