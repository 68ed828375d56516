"""JSON Web Tokens as user identity (PS3.7 D.3.3.7, RFC 7519). Called by user_identity.py."""

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol, JWKRegistry, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from radir_node.errors import InvalidSetting

log = structlog.get_logger()

Key = RSAKey | ECKey | OKPKey | OctKey

LEEWAY_SECONDS = 30
"""How far the clocks of issuer and node may be apart."""
_LOOK_SECONDS = 1.0
"""How often the file of keys is looked at."""

_ALGORITHMS: Mapping[str, tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA", "Ed25519", "Ed448"),
    "oct": ("HS256", "HS384", "HS512"),
}
"""Key type -> algorithms. The key decides, not the token: a public key must never serve as a secret (RFC 8725 2.1)."""
_REGISTRY = JWSRegistry(
    algorithms=[name for names in _ALGORITHMS.values() for name in names], strict_check_header=False
)
_LEAST_SECRET_BYTES = 32
_SETTING = "dicom.user_identity.jwt_keys"


class WebTokens:
    """Checks tokens against a file of keys, which is read again when it changes: issuers renew their keys."""

    def __init__(self, file: Path, issuer: str, audience: str) -> None:
        """issuer, audience: the iss and aud that a token must hold; empty = any. Raises InvalidSetting."""
        claims: dict[str, Any] = {"exp": {"essential": True}}
        if issuer:
            claims["iss"] = {"essential": True, "value": issuer}
        if audience:
            claims["aud"] = {"essential": True, "value": audience}
        self._claims = JWTClaimsRegistry(leeway=LEEWAY_SECONDS, **claims)
        self._file = file
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._version = _version(file)
        self._keys = read_keys(file)

    def accepts(self, token: bytes) -> bool:
        """Say whether a key of the file signed the token, and it is valid now and for this node."""
        keys = self._current_keys()
        try:
            decoded = jwt.decode(token, lambda guest: _choose(guest, keys), registry=_REGISTRY)
            self._claims.validate(decoded.claims)
        except (JoseError, ValueError, TypeError, RecursionError):
            return False
        return True

    def _current_keys(self) -> tuple[Key, ...]:
        with self._lock:
            if time.monotonic() - self._looked > _LOOK_SECONDS:
                self._looked = time.monotonic()
                self._read_again()
            return self._keys

    def _read_again(self) -> None:
        try:
            version = _version(self._file)
            if version != self._version:
                self._version = version
                self._keys = read_keys(self._file)
        except InvalidSetting as error:  # the keys that were read before go on
            log.error("token_keys_not_read", reason=str(error))


def read_keys(file: Path) -> tuple[Key, ...]:
    """Read a JSON Web Key Set; keys of an unknown type are left out (RFC 7517 5). Raises InvalidSetting."""
    try:
        members = json.loads(file.read_bytes())["keys"]
        keys = [key for member in members if (key := _imported(member)) is not None]
    except OSError as error:
        raise InvalidSetting(f"{_SETTING}: {file}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidSetting(f"{_SETTING}: {file} is no JSON Web Key Set") from error
    if any(isinstance(key, OctKey) and len(key.raw_value) < _LEAST_SECRET_BYTES for key in keys):
        raise InvalidSetting(f"{_SETTING}: {file} holds a secret of less than {_LEAST_SECRET_BYTES} bytes")
    if not any(_allowed(key) for key in keys):
        raise InvalidSetting(f"{_SETTING}: {file} holds no key that verifies signatures")
    return tuple(keys)


def _imported(member: dict[str, Any]) -> Key | None:
    try:
        return JWKRegistry.import_key(member)
    except JoseError:
        return None


def _version(file: Path) -> tuple[int, int]:
    """Return what differs after every change of a file."""
    try:
        status = file.stat()
    except OSError as error:
        raise InvalidSetting(f"{_SETTING}: {file}: {error.strerror}") from error
    return status.st_mtime_ns, status.st_ino


def _choose(guest: GuestProtocol, keys: tuple[Key, ...]) -> Key:
    """Return the one key that the token can be checked with: of its kid, where it names one, and of its algorithm.

    Raises ValueError when there is none, or several.
    """
    header = guest.headers()
    fitting = [key for key in keys if "kid" not in header or key.kid == header["kid"]]
    fitting = [key for key in fitting if header.get("alg") in _allowed(key)]
    if len(fitting) != 1:
        raise ValueError("no key for this token")
    return fitting[0]


def _allowed(key: Key) -> tuple[str, ...]:
    """Return the algorithms a key may verify: those of its type, or the one that it is restricted to."""
    if key.get("use", "sig") != "sig":
        return ()
    of_type = _ALGORITHMS.get(key.key_type, ())
    return of_type if key.alg is None else tuple(name for name in of_type if name == key.alg)
