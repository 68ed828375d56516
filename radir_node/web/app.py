"""Puts the pages together. The composition root calls create_app with the node's use cases and serves the result."""

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.sessions import SessionMiddleware
from starlette.types import Scope

from radir_node.web import admin, api, dicom, launch, login, reports, results, submissions
from radir_node.web.failures import failure_for_programs, is_for_programs, register_failures
from radir_node.web.metrics import WebMetrics
from radir_node.web.middleware import Apology, Envelope, security_headers
from radir_node.web.pages import STATIC, make_templates
from radir_node.web.ports import UseCases
from radir_node.web.site import Site
from radir_node.web.tokens import StudyTokens

SESSION_COOKIE = "radir_session"
SHORTEST_SECRET = 32


def create_app(
    use_cases: UseCases,
    *,
    secret: str,
    https_only: bool = False,
    session_hours: float = 10,
    frame_ancestors: str = "'self'",
    usual_k: int = 5,
) -> FastAPI:
    """Build the web application.

    secret signs sessions and links: at least 32 characters, random, kept over restarts so that links stay good.
    https_only: browsers send the session cookie over TLS only; for a node behind a proxy that speaks it.
    Raises ValueError when it is shorter.
    """
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"the web secret must have at least {SHORTEST_SECRET} characters")
    app = FastAPI(title="RadIR node", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    site = Site(
        use_cases=use_cases,
        tokens=StudyTokens(secret),
        templates=make_templates(),
        metrics=WebMetrics(use_cases.health, use_cases.dicom, use_cases.reports),
        session_seconds=session_hours * 3600,
        usual_k=usual_k,
    )
    app.state.site = site
    for room in (launch, login, results, admin, dicom, reports, api, submissions):
        app.include_router(room.router)
    app.mount("/static", LocalFiles(directory=STATIC), name="static")
    register_failures(app)
    app.add_middleware(
        SessionMiddleware,
        secret_key=secret,
        session_cookie=SESSION_COOKIE,
        max_age=int(site.session_seconds),
        same_site="lax",
        https_only=https_only,
    )
    app.add_middleware(
        Envelope, metrics=site.metrics, headers=security_headers(frame_ancestors), apology=_apology(site)
    )
    return app


class LocalFiles(StaticFiles):
    """Static files that browsers keep but ask about each time, so that an upgrade shows at once."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        response.headers["Cache-Control"] = "no-cache"
        return response


def _apology(site: Site) -> Apology:
    def answer(correlation: str, scope: Scope) -> Response:
        if is_for_programs(scope["path"]):
            return failure_for_programs(scope["path"], 500, "unexpected failure", correlation=correlation)
        return HTMLResponse(site.templates.get_template("unexpected.html").render(correlation=correlation), 500)

    return answer
