"""What a caller asks for before an association is accepted, and how it is turned down. Values only.

Made by acceptance.py from an A-ASSOCIATE-RQ; judged by scp/admission/access.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class IdentityType(IntEnum):
    """User-Identity-Type (PS3.7 D.3.3.7.1)."""

    USERNAME = 1
    USERNAME_AND_PASSCODE = 2
    KERBEROS = 3
    SAML = 4
    JWT = 5


@dataclass(frozen=True, slots=True, repr=False)
class OfferedIdentity:
    """User identity of an association request. Never logged."""

    type: int
    """An IdentityType, or a number that no edition of the standard knows yet."""
    primary: bytes
    """User name, ticket, assertion or token."""
    secondary: bytes
    """Passcode; empty for every other type."""
    response_requested: bool


@dataclass(frozen=True, slots=True)
class RequestedContext:
    """One proposed presentation context (PS3.8 9.3.2.2)."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """One A-ASSOCIATE-RQ and the connection it came over."""

    calling_ae_title: str
    """Without padding."""
    called_ae_title: str
    address: str
    """IP address of the caller."""
    application_context: str
    protocol_version: int
    contexts: tuple[RequestedContext, ...]
    max_pdu: int
    """Longest P-DATA-TF that the caller takes; 0 = any."""
    roles: Mapping[str, tuple[bool, bool]]
    """SOP class -> (caller wants the SCU role, caller wants the SCP role), where it negotiates roles."""
    extended: Mapping[str, bytes]
    """SOP class -> service class application information of SOP class extended negotiation (PS3.7 D.3.3.5)."""
    identity: OfferedIdentity | None = None
    over_tls: bool = False
    certificate: Mapping[str, object] | None = None
    """ssl.SSLSocket.getpeercert() of a verified client certificate; None when there is none."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    result: int
    """1 = permanent, 2 = transient."""
    source: int
    """1 = service user, 2 = service provider (ACSE), 3 = service provider (presentation)."""
    reason: int
    why: str
    """For the log; free of identifiers."""


CALLING_AE_TITLE_NOT_RECOGNIZED = Rejection(1, 1, 3, "calling AE title not recognized")
CALLED_AE_TITLE_NOT_RECOGNIZED = Rejection(1, 1, 7, "called AE title not recognized")
APPLICATION_CONTEXT_NOT_SUPPORTED = Rejection(1, 1, 2, "application context not supported")
NO_REASON_GIVEN = Rejection(1, 1, 1, "not permitted")
PROTOCOL_VERSION_NOT_SUPPORTED = Rejection(1, 2, 2, "protocol version not supported")
TEMPORARY_CONGESTION = Rejection(2, 3, 1, "temporary congestion")
LOCAL_LIMIT_EXCEEDED = Rejection(2, 3, 2, "local limit exceeded")
