"""What the server remembers about logins, in memory and bounded: attempts, awaited targets, ended sessions.

A restart forgets all three: attempts start anew, an awaited target becomes the start page, and the cookie of a session
that was ended by its user is good again until it expires.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]

ATTEMPTS = 5
"""Wrong passwords per account or address before it has to wait."""
WAIT_SECONDS = 300.0
MOST_REMEMBERED = 10_000


class LoginThrottle:
    """Count wrong passwords per key (account, address); a key with ATTEMPTS of them waits WAIT_SECONDS."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait_seconds(self, *keys: str) -> float:
        """Tell how long the slowest of the keys has to wait; 0 when all may try."""
        with self._lock:
            return max(self._wait(key) for key in keys)

    def failed(self, *keys: str) -> None:
        with self._lock:
            for key in keys:
                recent = [at for at in self._failures.pop(key, []) if at > self._clock() - WAIT_SECONDS]
                self._failures[key] = [*recent, self._clock()][-ATTEMPTS:]
            while len(self._failures) > MOST_REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, *keys: str) -> None:
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)

    def _wait(self, key: str) -> float:
        failures = self._failures.get(key, [])
        if len(failures) < ATTEMPTS:
            return 0.0
        return max(0.0, failures[0] + WAIT_SECONDS - self._clock())


@dataclass(frozen=True, slots=True)
class Target:
    """Where somebody wanted to go: a page of ours, or a study named by its identifiers."""

    path: str = ""
    study_uids: tuple[str, ...] = ()
    accession: str = ""

    @property
    def names_study(self) -> bool:
        return bool(self.study_uids or self.accession)


class AwaitedTargets:
    """Keep a target on the server while its visitor logs in, so that no identifier is in a redirect or a cookie."""

    SECONDS = 900.0

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._targets: OrderedDict[str, tuple[float, Target]] = OrderedDict()

    def keep(self, target: Target) -> str:
        """Remember a target for SECONDS and give the ticket for it."""
        ticket = secrets.token_urlsafe(16)
        with self._lock:
            self._targets[ticket] = (self._clock() + self.SECONDS, target)
            while len(self._targets) > MOST_REMEMBERED:
                self._targets.popitem(last=False)
        return ticket

    def take(self, ticket: str) -> Target:
        """Give the target and forget it; the start page when there is none, or no longer."""
        with self._lock:
            until, target = self._targets.pop(ticket, (0.0, Target()))
        return target if until > self._clock() else Target()


class EndedSessions:
    """Session ids whose user logged out before the cookie expired."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def end(self, session_id: str, until: float) -> None:
        with self._lock:
            self._until = {known: end for known, end in self._until.items() if end > self._clock()}
            self._until[session_id] = until

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._until
