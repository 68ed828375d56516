"""What the server remembers about logins, in memory and bounded: attempts, proofs, awaited targets, ended sessions.

A restart forgets them all: attempts start anew, passwords are hashed again, an awaited target becomes the start page,
and the cookie of a session that was ended by its user is good again until it expires.
"""

import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from radir_node.web.ports import User

Clock = Callable[[], float]

PAIR_ATTEMPTS = 5
"""Wrong passwords for one account from one address before that address has to wait with it."""
ACCOUNT_ATTEMPTS = 50
"""The same for one account over all addresses: so many that no single address can lock its owner out."""
ADDRESS_ATTEMPTS = 50
"""The same for one address, which a whole department may share behind a proxy."""
WAIT_SECONDS = 300.0
MOST_REMEMBERED = 10_000


class LoginThrottle:
    """Count wrong passwords per key; one with too many waits until WAIT_SECONDS are over."""

    def __init__(self, attempts: int, clock: Clock = time.monotonic) -> None:
        self._attempts = attempts
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[Hashable, list[float]] = OrderedDict()

    def wait_seconds(self, key: Hashable) -> float:
        """Tell how long the key has to wait; 0 when it may try."""
        with self._lock:
            failures = self._failures.get(key, [])
        if len(failures) < self._attempts:
            return 0.0
        return max(0.0, failures[0] + WAIT_SECONDS - self._clock())

    def failed(self, key: Hashable) -> None:
        with self._lock:
            recent = [at for at in self._failures.pop(key, []) if at > self._clock() - WAIT_SECONDS]
            self._failures[key] = [*recent, self._clock()][-self._attempts :]
            if len(self._failures) > MOST_REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, key: Hashable) -> None:
        with self._lock:
            self._failures.pop(key, None)


class LoginGuard:
    """Slow guessers down without locking the owner of an account out from where nobody guesses."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._pairs = LoginThrottle(PAIR_ATTEMPTS, clock)
        self._accounts = LoginThrottle(ACCOUNT_ATTEMPTS, clock)
        self._addresses = LoginThrottle(ADDRESS_ATTEMPTS, clock)

    def wait_seconds(self, account: str, address: str) -> float:
        """Tell how long this address has to wait before it may try this account; 0 when it may try."""
        return max(
            self._pairs.wait_seconds((account, address)),
            self._accounts.wait_seconds(account),
            self._addresses.wait_seconds(address),
        )

    def failed(self, account: str, address: str) -> None:
        self._pairs.failed((account, address))
        self._accounts.failed(account)
        self._addresses.failed(address)

    def succeeded(self, account: str, address: str) -> None:
        """Forget the wrong passwords of this address for this account; those of other addresses still count."""
        self._pairs.succeeded((account, address))


class ProvenPasswords:
    """Names and passwords that were right a moment ago: argon2 takes 50 ms, and a program sends them with each report.

    Kept as digests under a key of this process alone, never as they are. An account whose password or role is changed
    goes on as it was for up to SECONDS.
    """

    SECONDS = 300.0

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._users: OrderedDict[bytes, tuple[float, User]] = OrderedDict()

    def user(self, name: str, password: str, prove: Callable[[str, str], User | None]) -> User | None:
        """Tell whose password this is, asking `prove` where that was not proven in the last SECONDS."""
        digest = hmac.digest(self._key, f"{len(name)}:{name}{password}".encode(), "sha256")
        with self._lock:
            until, known = self._users.get(digest, (0.0, None))
        if known is not None and until > self._clock():
            return known
        user = prove(name, password)
        with self._lock:
            self._users.pop(digest, None)
            if user is not None:
                self._users[digest] = (self._clock() + self.SECONDS, user)
            if len(self._users) > MOST_REMEMBERED:
                self._users.popitem(last=False)
        return user


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
