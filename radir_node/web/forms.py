"""What the forms of the administrator's pages have in common: each leads back to its page, which says what came."""

from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from radir_node.errors import UserError


def do_and_return(request: Request, path: str, deed: Callable[[], str]) -> Response:
    """Do it, and let the page say once what came of it. deed: gives one line for people."""
    try:
        request.session["said"] = {"level": "info", "line": deed()}
    except UserError as error:  # what was listed a moment ago may have changed since
        request.session["said"] = {"level": "watch", "line": str(error)}
    return RedirectResponse(path, 303)


def said(request: Request) -> Any:
    """Give the level and the line to be said, and forget them; None when there is nothing to say."""
    return request.session.pop("said", None)
