"""A-ASSOCIATE-RQ, -AC and -RJ, A-ABORT and A-RELEASE (PS3.8 9.3): bytes <-> values.

By hand and not by pynetdicom: its objects cost 18 ms for 128 contexts, this costs below 1, and every length is checked
against what holds it. A test holds the two against each other.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dicom_services.dul import items
from dicom_services.dul.connection import HEADER, PduType
from dicom_services.dul.request import OfferedIdentity, RequestedContext
from dicom_services.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

DICOM_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

ACCEPTANCE = 0
USER_REJECTION = 1
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4

_FIXED = struct.Struct(">Hxx16s16s32x")
"""Protocol version, called and calling AE title: what comes before the items of RQ and AC."""
_MOST_CONTEXTS = 128


@dataclass(frozen=True, slots=True)
class AnsweredContext:
    """One presentation context of an A-ASSOCIATE-AC (PS3.8 9.3.3.2)."""

    context_id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class UserInformation:
    """What of the user information item is used."""

    max_pdu: int = 0
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    """SOP class -> (SCU role, SCP role) of the requestor: as wanted in RQ, as granted in AC."""
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """SOP class -> service class application information (PS3.7 D.3.3.5)."""
    identity: OfferedIdentity | None = None
    identity_response: bytes | None = None


@dataclass(frozen=True, slots=True)
class AssociateRq:
    """An A-ASSOCIATE-RQ as sent."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[RequestedContext, ...]
    user: UserInformation
    application_context: str = DICOM_APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class AssociateAc:
    """An A-ASSOCIATE-AC as sent."""

    contexts: tuple[AnsweredContext, ...]
    user: UserInformation


def decode_rq(data: bytes) -> AssociateRq:
    """Decode what follows the header of an A-ASSOCIATE-RQ. Raises ProtocolViolation."""
    version, called, calling, rest = _fixed(data)
    application, contexts, user = "", [], UserInformation()
    for kind, content in items.split(rest):
        if kind == items.APPLICATION_CONTEXT:
            application = items.uid(content)
        elif kind == items.REQUESTED_CONTEXT:
            contexts.append(_requested(content))
        elif kind == items.USER_INFORMATION:
            user = _user_information(content)
    if len(contexts) > _MOST_CONTEXTS or len({c.context_id for c in contexts}) != len(contexts):
        raise items.malformed("presentation contexts share an ID, or are too many")
    return AssociateRq(called, calling, tuple(contexts), user, application, version)


def decode_ac(data: bytes) -> AssociateAc:
    """Decode what follows the header of an A-ASSOCIATE-AC. Raises ProtocolViolation."""
    *_, rest = _fixed(data)
    contexts, user = [], UserInformation()
    for kind, content in items.split(rest):
        if kind == items.ACCEPTED_CONTEXT:
            contexts.append(_answered(content))
        elif kind == items.USER_INFORMATION:
            user = _user_information(content)
    return AssociateAc(tuple(contexts), user)


def encode_rq(request: AssociateRq) -> bytes:
    """Encode a whole A-ASSOCIATE-RQ. Raises UnicodeEncodeError when an AE title is not ASCII."""
    parts = [items.item(items.APPLICATION_CONTEXT, request.application_context.encode("ascii"))]
    for context in request.contexts:
        syntaxes = [items.item(items.TRANSFER_SYNTAX, uid.encode("ascii")) for uid in context.transfer_syntaxes]
        abstract = items.item(items.ABSTRACT_SYNTAX, context.abstract_syntax.encode("ascii"))
        content = struct.pack(">Bxxx", context.context_id) + abstract + b"".join(syntaxes)
        parts.append(items.item(items.REQUESTED_CONTEXT, content))
    parts.append(_encoded_user(request.user))
    return _whole(PduType.ASSOCIATE_RQ, request.called_ae_title, request.calling_ae_title, parts)


def encode_ac(called: str, calling: str, contexts: Sequence[AnsweredContext], user: UserInformation) -> bytes:
    """Encode a whole A-ASSOCIATE-AC; the AE titles repeat those of the request (PS3.8 9.3.3)."""
    parts = [items.item(items.APPLICATION_CONTEXT, DICOM_APPLICATION_CONTEXT.encode("ascii"))]
    for context in contexts:
        syntax = items.item(items.TRANSFER_SYNTAX, context.transfer_syntax.encode("ascii", "replace"))
        content = struct.pack(">BxBx", context.context_id, context.result) + syntax
        parts.append(items.item(items.ACCEPTED_CONTEXT, content))
    parts.append(_encoded_user(user))
    return _whole(PduType.ASSOCIATE_AC, called, calling, parts)


def encode_rj(result: int, source: int, reason: int) -> bytes:
    return HEADER.pack(PduType.ASSOCIATE_RJ, 4) + bytes((0, result, source, reason))


def encode_abort(source: int, reason: int) -> bytes:
    """source: 0 = service user, 2 = service provider, which alone gives reasons."""
    return HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, source, reason))


RELEASE_RQ = HEADER.pack(PduType.RELEASE_RQ, 4) + bytes(4)
RELEASE_RP = HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)


def _fixed(data: bytes) -> tuple[int, str, str, bytes]:
    if len(data) < _FIXED.size:
        raise items.malformed("an association PDU ends within its fixed part")
    version, called, calling = _FIXED.unpack_from(data)
    return version, _ae_title(called), _ae_title(calling), data[_FIXED.size :]


def _ae_title(data: bytes) -> str:
    return data.decode("latin-1").strip(" \0")


def _requested(data: bytes) -> RequestedContext:
    abstract, syntaxes = "", []
    for kind, content in _sub_items(data):
        if kind == items.ABSTRACT_SYNTAX:
            abstract = items.uid(content)
        elif kind == items.TRANSFER_SYNTAX:
            syntaxes.append(items.uid(content))
    return RequestedContext(data[0], abstract, tuple(syntaxes))


def _answered(data: bytes) -> AnsweredContext:
    syntaxes = [items.uid(content) for kind, content in _sub_items(data) if kind == items.TRANSFER_SYNTAX]
    return AnsweredContext(data[0], data[2], syntaxes[0] if syntaxes else "")


def _sub_items(data: bytes) -> Iterator[tuple[int, bytes]]:
    if len(data) < 4:
        raise items.malformed("a presentation context ends within its header")
    return items.split(data[4:])


def _user_information(data: bytes) -> UserInformation:
    max_pdu, roles, extended, identity, response = 0, {}, {}, None, None
    for kind, content in items.split(data):
        if kind == items.MAXIMUM_LENGTH and len(content) == 4:
            max_pdu = int.from_bytes(content, "big")
        elif kind == items.ROLE_SELECTION:
            sop_class, at = items.field(content, 0)
            if len(content) != at + 2:
                raise items.malformed("a role selection has the wrong length")
            roles[items.uid(sop_class)] = (content[at] == 1, content[at + 1] == 1)
        elif kind == items.SOP_CLASS_EXTENDED:
            sop_class, at = items.field(content, 0)
            extended[items.uid(sop_class)] = content[at:]
        elif kind == items.USER_IDENTITY:
            identity = _identity(content)
        elif kind == items.USER_IDENTITY_RESPONSE:
            response, _ = items.field(content, 0)
    return UserInformation(max_pdu, roles, extended, identity, response)


def _identity(data: bytes) -> OfferedIdentity:
    if len(data) < 2:
        raise items.malformed("a user identity ends within its header")
    primary, at = items.field(data, 2)
    secondary, _ = items.field(data, at)
    return OfferedIdentity(data[0], primary, secondary, data[1] == 1)


def _encoded_user(user: UserInformation) -> bytes:
    parts = [
        items.item(items.MAXIMUM_LENGTH, struct.pack(">L", user.max_pdu)),
        items.item(items.IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS_UID.encode("ascii")),
    ]
    for sop_class, (scu, scp) in user.roles.items():
        content = items.with_length(sop_class.encode("ascii", "replace")) + bytes((scu, scp))
        parts.append(items.item(items.ROLE_SELECTION, content))
    parts.append(items.item(items.IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION_NAME.encode("ascii")))
    for sop_class, information in user.extended.items():
        content = items.with_length(sop_class.encode("ascii", "replace")) + information
        parts.append(items.item(items.SOP_CLASS_EXTENDED, content))
    if user.identity is not None:
        offered = user.identity
        content = bytes((offered.type, offered.response_requested))
        content += items.with_length(offered.primary) + items.with_length(offered.secondary)
        parts.append(items.item(items.USER_IDENTITY, content))
    if user.identity_response is not None:
        parts.append(items.item(items.USER_IDENTITY_RESPONSE, items.with_length(user.identity_response)))
    return items.item(items.USER_INFORMATION, b"".join(parts))


def _whole(kind: PduType, called: str, calling: str, parts: Sequence[bytes]) -> bytes:
    fixed = _FIXED.pack(1, _padded(called), _padded(calling))
    length = len(fixed) + sum(map(len, parts))
    return HEADER.pack(kind, length) + fixed + b"".join(parts)


def _padded(ae_title: str) -> bytes:
    return ae_title.encode("latin-1", "replace")[:16].ljust(16)
