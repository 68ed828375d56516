"""Who is asking: the session cookie, roles, and the token that every form carries. All routes depend on this module."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, Request

from radir_node.web.login_state import Target
from radir_node.web.ports import Role, User
from radir_node.web.site import Site, SiteOf


class LoginNeeded(Exception):
    """Nobody is logged in; the target is remembered while they do."""

    def __init__(self, target: Target) -> None:
        super().__init__("log in first")
        self.target = target


class RoleNeeded(Exception):
    """The visitor's role does not allow this page."""


class FormNotOurs(Exception):
    """A form came without its token: an expired page, or another site's form."""


@dataclass(frozen=True, slots=True)
class Visitor:
    name: str
    role: Role

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


def start_session(request: Request, site: Site, user: User) -> None:
    """Replace whatever the cookie held by a session of this user, which ends session_seconds from now."""
    request.session.clear()
    request.session.update(
        user=user.name,
        role=user.role,
        id=secrets.token_urlsafe(16),
        form=secrets.token_urlsafe(16),
        until=site.clock() + site.session_seconds,
    )


def end_session(request: Request, site: Site) -> None:
    site.ended.end(request.session.get("id", ""), request.session.get("until", 0.0))
    request.session.clear()


def visitor_if_any(request: Request, site: SiteOf) -> Visitor | None:
    """Tell whose session the request carries; None when there is none, or it ended."""
    session = request.session
    if session.get("until", 0.0) < site.clock() or session.get("id", "") in site.ended:
        return None
    return Visitor(session["user"], session["role"])


def viewer(request: Request, visitor: Annotated[Visitor | None, Depends(visitor_if_any)]) -> Visitor:
    """Demand a session. Raises LoginNeeded with the page that was asked for."""
    if visitor is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise LoginNeeded(Target(path=request.url.path + query if request.method == "GET" else ""))
    return visitor


def admin(visitor: Annotated[Visitor, Depends(viewer)]) -> Visitor:
    """Demand a session of an administrator. Raises LoginNeeded or RoleNeeded."""
    if not visitor.is_admin:
        raise RoleNeeded
    return visitor


def form_token(request: Request) -> str:
    """Give the token that the forms of this session carry, making one for a visitor who has none yet."""
    token: str = request.session.setdefault("form", secrets.token_urlsafe(16))
    return token


def our_form(request: Request, token: Annotated[str, Form()] = "") -> None:
    """Accept a POST only from a form that this session was given. Raises FormNotOurs."""
    expected = request.session.get("form", "")
    if not expected or not hmac.compare_digest(expected.encode(), token.encode()):
        raise FormNotOurs


VisitorIfAny = Annotated[Visitor | None, Depends(visitor_if_any)]
Viewer = Annotated[Visitor, Depends(viewer)]
Admin = Annotated[Visitor, Depends(admin)]
