"""Where pages lie: `<site>.html` and `<site>.<days>-days.html`, readable by their owner alone."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from markupsafe import escape

from include.errors import ReportError
from include.glucose import PERIOD_DAYS
from include.report.marts import DEFAULT_DAYS
from include.serving.secret_file import write_secret

FOLDER = "reports"  # below LAKEHOUSE_HOME
VERSION = '<meta name="lakehouse-version" content="{}">'  # as the template has it
PERIODS = "|".join(str(days) for days in PERIOD_DAYS if days != DEFAULT_DAYS)
PAGE = re.compile(rf"(?P<site_id>[a-z][a-z0-9_-]{{0,39}})(\.(?P<days>{PERIODS})-days)?\.html")


def page_path(home: Path, site_id: str, days: int = DEFAULT_DAYS) -> Path:
    """Where the page of a site and a period lies. No id holds a dot, so no two pages share a name."""
    return home / FOLDER / (f"{site_id}.html" if days == DEFAULT_DAYS else f"{site_id}.{days}-days.html")


def write_page(path: Path, page: str) -> None:
    """Write a page whole or not at all. Raises ReportError when the place cannot be written."""
    try:
        with _alone_in(path.parent):
            write_secret(path, page)
    except OSError as error:
        raise ReportError(f"{path} cannot be written ({error.strerror})") from None


def make_folder(home: Path) -> None:
    """Make the folder of the pages. Raises ReportError when the home cannot be written."""
    try:
        (home / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"{home / FOLDER} cannot be made ({error.strerror})") from None


def shows(path: Path, version: str) -> bool:
    """Whether a page is there and shows this version of the published tables."""
    try:
        return VERSION.format(escape(version)) in path.read_text("utf-8")
    except OSError:
        return False


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """No two processes write pages of a folder at once: a command may meet a run."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def pages(home: Path) -> list[tuple[str, int]]:
    """Site and days of every page that is there."""
    found = (PAGE.fullmatch(path.name) for path in (home / FOLDER).glob("*.html"))
    return sorted((match["site_id"], int(match["days"] or DEFAULT_DAYS)) for match in found if match)


def remove_other_pages(home: Path, site_ids: list[str]) -> None:
    """Remove the pages of sites that are not published any more."""
    for path in (home / FOLDER).glob("*.html"):
        match = PAGE.fullmatch(path.name)
        if match and match["site_id"] not in site_ids:
            path.unlink(missing_ok=True)
