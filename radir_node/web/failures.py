"""What a visitor sees when a request cannot be answered: one clear line and the right status. Used by app.py."""

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from radir_node.errors import (
    NothingIndexed,
    TransientError,
    UnknownAnatomy,
    UnknownStudy,
    UnreadableReport,
    UserError,
)
from radir_node.web.access import FormNotOurs, LoginNeeded, RoleNeeded
from radir_node.web.pages import page
from radir_node.web.senders import NotAccepted
from radir_node.web.site import site_of

STATUS_OF: tuple[tuple[type[UserError], int], ...] = (
    (UnknownStudy, 404),
    (UnknownAnatomy, 404),
    (NothingIndexed, 409),
    (UserError, 400),
)
ISSUE_OF = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    408: "timeout",
    413: "too-long",
    415: "not-supported",
    422: "invalid",
    429: "throttled",
    503: "transient",
}
"""Status -> code of a FHIR OperationOutcome (value set issue-type); any other is an exception."""


def register_failures(app: FastAPI) -> None:
    app.add_exception_handler(UserError, user_error)
    app.add_exception_handler(UnreadableReport, unreadable_report)
    app.add_exception_handler(NotAccepted, not_accepted)
    app.add_exception_handler(TransientError, transient_error)
    app.add_exception_handler(LoginNeeded, login_needed)
    app.add_exception_handler(RoleNeeded, role_needed)
    app.add_exception_handler(FormNotOurs, form_not_ours)
    app.add_exception_handler(RequestValidationError, request_invalid)
    app.add_exception_handler(HTTPException, http_error)


def failure(request: Request, status: int, title: str, line: str, headers: dict[str, str] | None = None) -> Response:
    """Answer a page, or JSON below /api/."""
    if is_for_programs(request.url.path):
        return failure_for_programs(request.url.path, status, line, headers)
    return page(request, "failure.html", status=status, headers=headers, title=title, line=line, code=status)


def is_for_programs(path: str) -> bool:
    return path.startswith("/api/")


def failure_for_programs(
    path: str, status: int, line: str, headers: Mapping[str, str] | None = None, **more: str
) -> Response:
    """Answer {"error": line} and more, or what FHIR has for it below /api/fhir/."""
    if not path.startswith("/api/fhir/"):
        return JSONResponse({"error": line, **more}, status, headers=headers)
    diagnostics = " ".join((line, *more.values()))
    issue = {"severity": "error", "code": ISSUE_OF.get(status, "exception"), "diagnostics": diagnostics}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return JSONResponse(outcome, status, headers=headers, media_type="application/fhir+json")


def user_error(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in STATUS_OF if isinstance(error, kind))
    return failure(request, status, "Not found" if status == 404 else "Not possible as asked", str(error))


def unreadable_report(request: Request, error: Exception) -> Response:
    return failure(request, 422, "Not a report", str(error))


def not_accepted(request: Request, error: Exception) -> Response:
    status, headers = (error.status, error.headers) if isinstance(error, NotAccepted) else (500, {})
    return failure(request, status, "Not accepted", str(error), headers)


def transient_error(request: Request, error: Exception) -> Response:
    line = f"{error} - try again in a moment"
    return failure(request, 503, "The node cannot answer right now", line, {"Retry-After": "10"})


def login_needed(request: Request, error: Exception) -> Response:
    """Send a browser to the login page with its target kept here; tell a program 401."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": "log in first"}, 401)
    if isinstance(error, LoginNeeded):
        request.session["awaited"] = site_of(request).awaited.keep(error.target)
    return RedirectResponse("/login", 303)


def role_needed(request: Request, error: Exception) -> Response:
    return failure(request, 403, "Not allowed", "This page is for administrators.")


def form_not_ours(request: Request, error: Exception) -> Response:
    return failure(request, 403, "This form has expired", "Go back, reload the page and send it again.")


def request_invalid(request: Request, error: Exception) -> Response:
    return failure(request, 400, "Not possible as asked", "The request is not well-formed.")


def http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    line = {404: "There is no such page.", 405: "This page does not take that kind of request."}
    return failure(request, status, "Not found" if status == 404 else "Not possible", line.get(status, "No answer."))
