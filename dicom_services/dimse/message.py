"""Messages and their fragments (PS3.7 6.3, PS3.8 E): P-DATA-TF bodies <-> command set and data set."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from dicom_services.dimse.command import Value

_PDV = struct.Struct(">LBB")
"""Item length, presentation context ID, message control header."""
_PDATA = struct.Struct(">BxLLBB")
"""PDU type and length, then the one PDV that the node puts in a PDU."""
_PDATA_TYPE = 4
_AFTER_LENGTH = _PDV.size - 4
"""Bytes that the item length counts beside the fragment."""

_COMMAND = 1
_LAST = 2


class MalformedFragment(ValueError):
    """A P-DATA-TF whose parts do not fit in one another."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One presentation data value; data is a view into the PDU."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


@dataclass(frozen=True, slots=True)
class Message:
    """One DIMSE message as received."""

    context_id: int
    command: dict[str, Value]
    dataset: bytes | None = None
    """None without data set, and when a sink of its own took it."""


class Sink(Protocol):
    """Where the data set of a message goes, piece by piece."""

    def write(self, data: memoryview) -> object:
        """Take the next piece; the view is not valid later."""
        ...


def fragments(body: memoryview) -> Iterator[Fragment]:
    """Yield the fragments of one P-DATA-TF. Raises MalformedFragment."""
    at, end = 0, len(body)
    if not end:
        raise MalformedFragment("a P-DATA-TF without a PDV")
    while at < end:
        if end - at < _PDV.size:
            raise MalformedFragment("a PDV ends within its header")
        length, context_id, control = _PDV.unpack_from(body, at)
        stop = at + 4 + length
        if length < _AFTER_LENGTH or stop > end:
            raise MalformedFragment("the length of a PDV does not fit its PDU")
        data = body[at + _PDV.size : stop]
        yield Fragment(context_id, bool(control & _COMMAND), bool(control & _LAST), data)
        at = stop


def pdata_header(context_id: int, length: int, *, command: bool, last: bool) -> bytes:
    """Return what comes before one fragment that is a PDU of its own."""
    control = (_COMMAND if command else 0) | (_LAST if last else 0)
    item = length + _AFTER_LENGTH
    return _PDATA.pack(_PDATA_TYPE, item + 4, item, context_id, control)


def packed(context_id: int, data: bytes, longest: int, *, command: bool) -> Iterator[bytes | memoryview]:
    """Yield headers and fragments of one command or data set, none longer than `longest` bytes."""
    view = memoryview(data)
    for at in range(0, max(len(view), 1), longest):
        piece = view[at : at + longest]
        yield pdata_header(context_id, len(piece), command=command, last=at + longest >= len(view))
        yield piece


def longest_fragment(peer_max_pdu: int) -> int:
    """Return how many bytes of data one PDU to the peer holds; a peer that names no limit gets 128 KB."""
    usual = 131072
    return max(1, min(peer_max_pdu or usual, usual) - _PDV.size)
