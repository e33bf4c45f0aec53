"""The report of a site as one HTML page."""

from pathlib import Path
from typing import Annotated

import typer

from include.cli.output import say
from include.connections import environment_connection
from include.glucose import PERIOD_DAYS
from include.report.marts import DEFAULT_DAYS
from include.run.reports import report_of
from include.settings import load_settings


def report(
    site: Annotated[
        str | None, typer.Option(help="Id of the site; may be left out when there is one.")
    ] = None,
    days: Annotated[int, typer.Option(help=f"One of {', '.join(map(str, PERIOD_DAYS))}.")] = DEFAULT_DAYS,
    out: Annotated[
        Path | None, typer.Option(help="Where to write it. Default: reports under LAKEHOUSE_HOME.")
    ] = None,
) -> None:
    """Make the report of a site from what is published: one HTML page, for the screen and for paper."""
    say(f"The report: {report_of(load_settings(), environment_connection, site, days, out)}")
