"""User identity negotiation (PS3.7 D.3.3.7): user names with passcodes, and JSON Web Tokens.

Called by doorkeeper.py for callers that access.py admitted. No value of an identity is ever logged.
"""

import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from dicom_services.dul.request import (
    NO_REASON_GIVEN,
    TEMPORARY_CONGESTION,
    IdentityType,
    OfferedIdentity,
    Rejection,
)
from radir_node.errors import InvalidSetting
from radir_node.settings import UserIdentity

if TYPE_CHECKING:
    from dicom_services.scp.admission.web_tokens import WebTokens

_AT_A_TIME = 2
"""Passcodes checked at a time in one process: argon2 takes 64 MB for each, and callers are not known yet."""
_WAIT_SECONDS = 3.0
_REMEMBERED = 1024

_REQUIRED = replace(NO_REASON_GIVEN, why="a user identity is required")
_UNSUPPORTED = replace(NO_REASON_GIVEN, why="a user identity of this type proves nothing here")
_WRONG = replace(NO_REASON_GIVEN, why="the user identity is not accepted")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The caller may go on."""

    response: bytes | None
    """Server-response of the answer (PS3.7 D.3.3.7.2); None = no answer was asked for, or none is given."""


class UserIdentities:
    """Judges what callers offer as identity. One per process, shared by its threads."""

    def __init__(self, config: UserIdentity) -> None:
        """Raises InvalidSetting when a passcode hash or the file of token keys cannot be used."""
        self._mode = config.mode
        self._passcodes: _Passcodes | None = None
        self._tokens: WebTokens | None = None
        if config.mode == "ignored":
            return
        if config.users:
            self._passcodes = _Passcodes(config.users)
        if config.jwt_keys:
            self._tokens = _tokens(config)
        if config.mode == "required" and not (config.users or config.jwt_keys):
            raise InvalidSetting("dicom.user_identity: required, but there are neither users nor jwt_keys")

    def check(self, offered: OfferedIdentity | None) -> Accepted | Rejection:
        """Return the answer to what a caller offers.

        ignored: everybody goes on, unanswered. supported: what is offered must be right. required: it must be offered.
        A user name without passcode, a Kerberos ticket and a SAML assertion are refused where identities count: the
        node cannot tell whether they are right.
        """
        if self._mode == "ignored":
            return Accepted(None)
        if offered is None:
            return Accepted(None) if self._mode == "supported" else _REQUIRED
        if offered.type == IdentityType.USERNAME_AND_PASSCODE:
            return self._check_passcode(offered)
        if offered.type == IdentityType.JWT:
            return self._check_token(offered)
        return _UNSUPPORTED

    def _check_passcode(self, offered: OfferedIdentity) -> Accepted | Rejection:
        if self._passcodes is None:
            return _WRONG
        right = self._passcodes.accept(offered.primary, offered.secondary)
        if right is None:
            return TEMPORARY_CONGESTION
        return Accepted(b"" if offered.response_requested else None) if right else _WRONG

    def _check_token(self, offered: OfferedIdentity) -> Accepted | Rejection:
        if self._tokens is None or not self._tokens.accepts(offered.primary):
            return _WRONG
        return Accepted(offered.primary if offered.response_requested else None)


def _tokens(config: UserIdentity) -> "WebTokens":
    from dicom_services.scp.admission.web_tokens import WebTokens  # 10 MB that a node without tokens does without

    return WebTokens(Path(config.jwt_keys), config.jwt_issuer, config.jwt_audience)


class _Passcodes:
    """Checks passcodes against argon2 hashes; those found right are remembered under a key of this process."""

    def __init__(self, users: dict[str, str]) -> None:
        parameters = [_parameters(name, hashed) for name, hashed in users.items()]
        costliest = max(parameters, key=lambda p: p.memory_cost * p.time_cost)
        self._hasher = PasswordHasher.from_parameters(costliest)
        self._hashes = {name.encode(): hashed for name, hashed in users.items()}
        self._nobody = self._hasher.hash(secrets.token_bytes())
        self._key = secrets.token_bytes()
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_A_TIME)

    def accept(self, user: bytes, passcode: bytes) -> bool | None:
        """Say whether the passcode is the user's; None when too many others are being checked.

        An unknown user costs what a known one costs.
        """
        mark = self._mark(user, passcode)
        with self._lock:
            if mark in self._right:
                self._right.move_to_end(mark)
                return True
        if not self._turns.acquire(timeout=_WAIT_SECONDS):
            return None
        try:
            right = self._verify(self._hashes.get(user, self._nobody), passcode) and user in self._hashes
        finally:
            self._turns.release()
        if right:
            self._remember(mark)
        return right

    def _verify(self, hashed: str, passcode: bytes) -> bool:
        try:
            return self._hasher.verify(hashed, passcode)
        except VerificationError:
            return False

    def _mark(self, user: bytes, passcode: bytes) -> bytes:
        return hmac.digest(self._key, len(user).to_bytes(4, "big") + user + passcode, "sha256")

    def _remember(self, mark: bytes) -> None:
        with self._lock:
            self._right[mark] = None
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)


def _parameters(name: str, hashed: str) -> Parameters:
    try:
        return extract_parameters(hashed)
    except (InvalidHashError, ValueError):
        raise InvalidSetting(f"dicom.user_identity.users.{name}: the value is no argon2 hash") from None
