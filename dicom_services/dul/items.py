"""Items and sub-items of A-ASSOCIATE PDUs (PS3.8 9.3, PS3.7 D.3.3): bytes <-> tuples. Called by pdu.py."""

import struct
from collections.abc import Iterator

from dicom_services.dul.errors import INVALID_PARAMETER, ProtocolViolation

APPLICATION_CONTEXT = 0x10
REQUESTED_CONTEXT = 0x20
ACCEPTED_CONTEXT = 0x21
ABSTRACT_SYNTAX = 0x30
TRANSFER_SYNTAX = 0x40
USER_INFORMATION = 0x50
MAXIMUM_LENGTH = 0x51
IMPLEMENTATION_CLASS_UID = 0x52
ROLE_SELECTION = 0x54
IMPLEMENTATION_VERSION_NAME = 0x55
SOP_CLASS_EXTENDED = 0x56
USER_IDENTITY = 0x58
USER_IDENTITY_RESPONSE = 0x59

_HEADER = struct.Struct(">BxH")
_LENGTH = struct.Struct(">H")


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (item type, content) of each item. Raises ProtocolViolation where a length does not fit."""
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise malformed("an item ends within its header")
        kind, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if length > len(data) - at:
            raise malformed("an item is longer than what holds it")
        yield kind, data[at : at + length]
        at += length


def item(kind: int, content: bytes) -> bytes:
    """Encode one item."""
    return _HEADER.pack(kind, len(content)) + content


def field(data: bytes, at: int) -> tuple[bytes, int]:
    """Return a field that follows its two length bytes, and where it ends."""
    if len(data) - at < _LENGTH.size:
        raise malformed("a field ends within its length")
    (length,) = _LENGTH.unpack_from(data, at)
    end = at + _LENGTH.size + length
    if end > len(data):
        raise malformed("a field is longer than its item")
    return data[at + _LENGTH.size : end], end


def with_length(content: bytes) -> bytes:
    """Encode a field behind its two length bytes."""
    return _LENGTH.pack(len(content)) + content


def uid(data: bytes) -> str:
    """Decode a UID, padded or not."""
    return data.decode("ascii", "replace").strip(" \0")


def malformed(message: str) -> ProtocolViolation:
    return ProtocolViolation(message, INVALID_PARAMETER)
