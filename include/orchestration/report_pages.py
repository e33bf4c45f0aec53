"""The reports inside Airflow: a list of sites, and each site's reports, for those who may see the Dag."""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

DAG = "nightscout_glucose"
PREFIX = "/nightscout"
VIEW = {
    "name": "Glucose reports",
    "href": f"{PREFIX}/",
    "destination": "nav",
    "url_route": "glucose-reports",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Message = MutableMapping[str, Any]


class ReportPages:
    """The app that the API server mounts. It is made when it is first asked: every process of Airflow loads
    the plugin, and only one of them serves pages."""

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await self.app(scope, receive, send)

    @cached_property
    def app(self) -> "FastAPI":
        """The app itself; each of its answers asks Airflow first who wants it."""
        return report_app()


def report_app() -> "FastAPI":
    """Two pages below `PREFIX`. Airflow refuses who is not logged in (401) or may not see the Dag (403)."""
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    from include.report.files import page_path, pages
    from include.report.page import render_list
    from include.settings import load_settings

    may_see = Depends(requires_access_dag("GET", param_dag_id=DAG))
    app = FastAPI(dependencies=[may_see], docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    def sites() -> HTMLResponse:
        return HTMLResponse(render_list(pages(load_settings().lakehouse_home)), headers=HEADERS)

    @app.get("/{site_id}/{days}")
    def report(site_id: str, days: str) -> HTMLResponse:
        home = load_settings().lakehouse_home
        if (site_id, days) not in [(site, str(period)) for site, period in pages(home)]:
            return HTMLResponse("There is no such report.", status_code=404, headers=HEADERS)
        page = page_path(home, site_id, int(days)).read_text("utf-8")
        return HTMLResponse(page, headers=HEADERS)

    return app
