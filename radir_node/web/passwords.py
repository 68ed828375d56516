"""Passwords, as the login page and programs present them: whoever guesses has to wait. Used by login and senders."""

from collections.abc import Callable

import structlog
from fastapi import Request

from radir_node.web.login_state import LoginGuard
from radir_node.web.ports import User

log = structlog.get_logger()

LONGEST = 256
"""Characters of a name or password; hashing anything longer is work for nobody."""

Prove = Callable[[str, str], User | None]
"""UseCases.authenticate, or what asks it."""


class MustWait(Exception):
    """Too many wrong passwords came for this account or from this address."""

    def __init__(self, seconds: float) -> None:
        super().__init__("too many wrong passwords")
        self.seconds = seconds

    @property
    def retry_after(self) -> dict[str, str]:
        """The header that tells programs when to come back."""
        return {"Retry-After": str(int(self.seconds) + 1)}


def check_password(request: Request, guard: LoginGuard, prove: Prove, name: str, password: str) -> User | None:
    """Tell whose password this is; None when name or password is wrong. Raises MustWait, even if both are right."""
    account, address = name[:LONGEST].casefold(), request.client.host if request.client else ""
    wait = guard.wait_seconds(account, address)
    if wait > 0:
        raise MustWait(wait)
    fits = len(name) <= LONGEST and len(password) <= LONGEST
    user = prove(name, password) if fits else None
    if user is None:
        guard.failed(account, address)
        log.warning("login refused")
        return None
    guard.succeeded(account, address)
    return user
