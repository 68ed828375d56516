"""Who sends: HTTP Basic of programs, with each request. No session and no cookie, so no form token either."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request

from radir_node.web.passwords import MustWait, check_password
from radir_node.web.ports import User
from radir_node.web.site import SiteOf

CHALLENGE = {"WWW-Authenticate": 'Basic realm="RadIR node", charset="UTF-8"'}  # RFC 7617
MAY_SEND = ("sender", "admin")


class NotAccepted(Exception):
    """A program's request is refused before the node is asked. The line holds nothing of the request."""

    def __init__(self, status: int, line: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(line)
        self.status = status
        self.headers = dict(headers or {})


def sender(request: Request, site: SiteOf) -> User:
    """Demand name and password of an account that may send. Raises NotAccepted: 401, 403, or 429 for who guesses."""

    def prove(name: str, password: str) -> User | None:
        return site.proofs.user(name, password, site.use_cases.authenticate)

    try:
        user = check_password(request, site.guard, prove, *_credentials(request))
    except MustWait as wait:
        raise NotAccepted(429, "too many wrong passwords; try again later", wait.retry_after) from wait
    if user is None:
        raise NotAccepted(401, "name or password is wrong", CHALLENGE)
    if user.role not in MAY_SEND:
        raise NotAccepted(403, "this account may not send reports")
    return user


def _credentials(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() != "basic":
        raise NotAccepted(401, "name and password are needed", CHALLENGE)
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise NotAccepted(401, "the Authorization header cannot be read", CHALLENGE)
    return name, password


Sender = Annotated[User, Depends(sender)]
