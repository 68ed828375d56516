"""Logging in and out with a local account."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from radir_node.web.access import VisitorIfAny, end_session, our_form, start_session
from radir_node.web.arrival import arrive
from radir_node.web.login_state import Target
from radir_node.web.pages import page
from radir_node.web.passwords import MustWait, check_password
from radir_node.web.site import SiteOf

log = structlog.get_logger()
router = APIRouter()


@router.get("/login")
def login_page(request: Request, visitor: VisitorIfAny) -> Response:
    if visitor is not None:
        return RedirectResponse("/", 303)
    return page(request, "login.html", line="")


@router.post("/login", dependencies=[Depends(our_form)])
def login(
    request: Request, site: SiteOf, username: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""
) -> Response:
    """Check the password, then go on to where the visitor wanted; an address that guesses has to wait."""
    try:
        user = check_password(request, site.guard, site.use_cases.authenticate, username, password)
    except MustWait as wait:
        line = f"Too many attempts. Try again in {max(1, round(wait.seconds / 60))} min."
        return page(request, "login.html", status=429, headers=wait.retry_after, line=line)
    if user is None:
        return page(request, "login.html", status=401, line="Name or password is wrong.")
    if user.role == "sender":
        log.warning("sender refused")
        line = "This account sends reports to the node. It cannot see pages."
        return page(request, "login.html", status=403, line=line)
    target = site.awaited.take(request.session.get("awaited", ""))
    start_session(request, site, user)
    log.info("logged in", role=user.role)
    return follow(request, site, target)


@router.post("/logout", dependencies=[Depends(our_form)])
def logout(request: Request, site: SiteOf) -> Response:
    end_session(request, site)
    return RedirectResponse("/login", 303)


def follow(request: Request, site: SiteOf, target: Target) -> Response:
    """Go to an awaited target; the start page when there is none."""
    if target.names_study:
        return arrive(site, target)
    is_ours = target.path.startswith("/") and not target.path.startswith(("//", "/\\"))
    return RedirectResponse(target.path if is_ours else "/", 303)
