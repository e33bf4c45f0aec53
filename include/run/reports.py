"""The step that makes the reports of what is published, and what the command needs for one of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.connections import FindConnection
from include.errors import InputError, ReportError, ServiceError
from include.report.files import make_folder, page_path, pages, remove_other_pages, shows, write_page
from include.report.marts import DEFAULT_DAYS, NOTHING, check_days, published_sites, read_site
from include.serving.postgres import Postgres, ensure, own_postgres
from include.settings import Settings

if TYPE_CHECKING:
    from include.run.pipeline import Pipeline  # its imports take a second, which the command does not need

Facts = dict[str, Any]


def make_reports(pipeline: "Pipeline") -> Facts:
    """Make the page of every published site, unless it shows the published version; remove others' pages.

    A page of another period is made again where there is one: no page shows older numbers than another.
    Where nothing is published, as in a new Postgres, all stay. One that fails does not stop the others.
    Raises ReportError naming each that failed, ServiceError.
    """
    version, site_ids = published_sites(pipeline.postgres)
    if version is None:
        return {"version": None, "pages": []}
    home = pipeline.settings.lakehouse_home
    remove_other_pages(home, site_ids)
    made: list[str] = []
    failed: dict[str, str] = {}
    for site_id, days in sorted({(site_id, DEFAULT_DAYS) for site_id in site_ids} | set(pages(home))):
        path = page_path(home, site_id, days)
        if shows(path, version):
            continue
        try:
            make_folder(home)
            make_report(pipeline.postgres, site_id, days, path)
            made.append(path.name)
        except ServiceError:
            raise
        except Exception as error:  # noqa: BLE001 (one site's page does not cost others theirs)
            failed[path.name] = f"{type(error).__name__}: {error}"
    if failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise ReportError(f"{reasons}. What is published is whole; the last page, if any, stays")
    return {"version": version, "pages": made}


def make_report(postgres: Postgres, site_id: str, days: int, path: Path) -> None:
    """Write the page of a site and a period. Raises as `read_site` and `write_page` do."""
    # Matplotlib takes most of a second to import: only who draws waits for it.
    from include.report.page import render

    write_page(path, render(read_site(postgres, site_id, days)))


def report_of(
    settings: Settings, find_connection: FindConnection, site_id: str | None, days: int, out: Path | None
) -> Path:
    """Make one page; its path. A lake of one site need not name it, and `out` may be left out.

    Raises InputError (not one of the periods, nothing published, no such site, none named), ReportError.
    """
    check_days(days)
    postgres = own_postgres(find_connection)
    if postgres is None and settings.postgres_path.exists():  # else nothing was ever published: start nothing
        postgres = ensure(settings)
    version, known = published_sites(postgres) if postgres else (None, [])
    if postgres is None or version is None:
        raise InputError(NOTHING)
    if site_id is None and len(known) != 1:
        raise InputError(f"name the site with --site: {', '.join(known) or 'none is published yet'}")
    chosen = known[0] if site_id is None else site_id
    path = out or page_path(settings.lakehouse_home, chosen, days)
    if out is None and chosen in known:
        make_folder(settings.lakehouse_home)
    make_report(postgres, chosen, days, path)
    return path
