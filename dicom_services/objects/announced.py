"""Reads the four UIDs of an object from the first bytes of its data set, in microseconds.

Called by scp/storage/store.py for every object before it is acknowledged. What it cannot read for certain (another
encoding, an order that is not the standard's, a long private block before the UIDs) it leaves to the full parser.
"""

import struct
from dataclasses import dataclass

from dicom_services.objects.attributes import valid_uid

IMPLICIT = "1.2.840.10008.1.2"
_NOT_EXPLICIT_LITTLE = frozenset({IMPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"})

_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_STUDY, _SERIES = 0x0020000D, 0x0020000E
_WANTED = frozenset({_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES})

_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""VRs with a length of four bytes (PS3.5 7.1.2)."""
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DEEPEST = 16

_EXPLICIT_HEAD = struct.Struct("<HH2sH")
_IMPLICIT_HEAD = struct.Struct("<HHL")
_LENGTH = struct.Struct("<L")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an object is; all are valid UIDs."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str


class _Unsure(Exception):
    """The bytes end, or are not what the standard describes."""


def identity_of(head: bytes | bytearray, transfer_syntax_uid: str) -> Identity | None:
    """Return the identity that the first bytes of a data set state; None when they do not state it for certain."""
    if transfer_syntax_uid in _NOT_EXPLICIT_LITTLE and transfer_syntax_uid != IMPLICIT:
        return None
    try:
        found = _find(head, implicit=transfer_syntax_uid == IMPLICIT)
    except (_Unsure, struct.error):
        return None
    tags = (_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES)
    texts = [found[tag].decode("ascii", "replace").rstrip(" \0") for tag in tags]
    return Identity(*texts) if all(map(valid_uid, texts)) else None


def _find(data: bytes | bytearray, *, implicit: bool) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at, before = 0, -1
    while len(found) < len(_WANTED):
        tag, length, start = _element(data, at, implicit)
        if tag <= before or tag > _SERIES:
            raise _Unsure
        at = _skip(data, start, length, implicit, _DEEPEST)
        if tag in _WANTED:
            if length == _UNDEFINED or at > len(data):
                raise _Unsure
            found[tag] = bytes(data[start:at])
        before = tag
    return found


def _element(data: bytes | bytearray, at: int, implicit: bool) -> tuple[int, int, int]:
    """Return tag, length and where the value starts."""
    if implicit or data[at : at + 2] == b"\xfe\xff":  # items have no VR in any encoding
        group, number, length = _IMPLICIT_HEAD.unpack_from(data, at)
        return group << 16 | number, length, at + _IMPLICIT_HEAD.size
    group, number, vr, length = _EXPLICIT_HEAD.unpack_from(data, at)
    if vr in _LONG:
        (length,) = _LENGTH.unpack_from(data, at + 8)
        if vr == b"UN" and length == _UNDEFINED:  # a sequence in another encoding (PS3.5 6.2.2)
            raise _Unsure
        return group << 16 | number, length, at + 12
    if not vr.isalpha():
        raise _Unsure
    return group << 16 | number, length, at + _EXPLICIT_HEAD.size


def _skip(data: bytes | bytearray, start: int, length: int, implicit: bool, deeper: int) -> int:
    """Return where the element after this value starts."""
    if length != _UNDEFINED:
        return start + length
    if deeper == 0:
        raise _Unsure
    at = start
    while True:
        tag, inner, value = _element(data, at, implicit)
        if tag in (_SEQUENCE_END, _ITEM_END):
            return value
        at = _skip(data, value, inner, implicit, deeper - 1)
