"""Command sets (PS3.7 6.3.1 and E.1): Implicit VR Little Endian elements of group 0000 <-> values by keyword.

A codec of 23 elements of five kinds, by hand: through a data set library each message would cost a millisecond.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum

Value = int | str | tuple[int, ...]
Command = Mapping[str, Value]
"""Keyword -> value; UI, AE and LO are text without padding, AT is a tuple of tags."""


class MalformedCommand(ValueError):
    """The bytes are no command set."""


class CommandField(IntEnum):
    """Command Field (0000,0100); a response is its request with the highest bit set."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    N_DELETE = 0x0150
    C_CANCEL = 0x0FFF


RESPONSE = 0x8000
NO_DATASET = 0x0101
"""Command Data Set Type (0000,0800) of a message without data set; any other value announces one."""

_ELEMENTS: Mapping[int, tuple[str, str]] = {
    0x0002: ("AffectedSOPClassUID", "UI"),
    0x0003: ("RequestedSOPClassUID", "UI"),
    0x0100: ("CommandField", "US"),
    0x0110: ("MessageID", "US"),
    0x0120: ("MessageIDBeingRespondedTo", "US"),
    0x0600: ("MoveDestination", "AE"),
    0x0700: ("Priority", "US"),
    0x0800: ("CommandDataSetType", "US"),
    0x0900: ("Status", "US"),
    0x0901: ("OffendingElement", "AT"),
    0x0902: ("ErrorComment", "LO"),
    0x0903: ("ErrorID", "US"),
    0x1000: ("AffectedSOPInstanceUID", "UI"),
    0x1001: ("RequestedSOPInstanceUID", "UI"),
    0x1002: ("EventTypeID", "US"),
    0x1005: ("AttributeIdentifierList", "AT"),
    0x1008: ("ActionTypeID", "US"),
    0x1020: ("NumberOfRemainingSuboperations", "US"),
    0x1021: ("NumberOfCompletedSuboperations", "US"),
    0x1022: ("NumberOfFailedSuboperations", "US"),
    0x1023: ("NumberOfWarningSuboperations", "US"),
    0x1030: ("MoveOriginatorApplicationEntityTitle", "AE"),
    0x1031: ("MoveOriginatorMessageID", "US"),
}
_NUMBERS = {keyword: (number, vr) for number, (keyword, vr) in _ELEMENTS.items()}

_HEADER = struct.Struct("<HHL")
_US = struct.Struct("<H")
_UL = struct.Struct("<L")
_LENGTH_BYTES = 12
"""Of Command Group Length (0000,0000), which comes first."""
_PADDING = {"UI": b"\0", "AE": b" ", "LO": b" "}


def encode(command: Command) -> bytes:
    """Encode a command set with its group length. Raises KeyError for a keyword that is no command element."""
    body = b"".join(_element(*_NUMBERS[keyword], command[keyword]) for keyword in _in_order(command))
    return _HEADER.pack(0, 0, _UL.size) + _UL.pack(len(body)) + body


def decode(data: bytes | bytearray | memoryview) -> dict[str, Value]:
    """Decode a command set; retired and unknown elements are left out. Raises MalformedCommand."""
    command: dict[str, Value] = {}
    at, end = 0, len(data)
    while at < end:
        if end - at < _HEADER.size:
            raise MalformedCommand("the command set ends within an element")
        group, number, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if group != 0:
            raise MalformedCommand("an element of another group is in the command set")
        if length > end - at:
            raise MalformedCommand("an element is longer than the command set")
        known = _ELEMENTS.get(number)
        if known is not None and (length or known[1] != "US"):  # an empty number is one that is not there
            command[known[0]] = _value(known[1], bytes(data[at : at + length]))
        at += length
    return command


def has_dataset(command: Command) -> bool:
    """Say whether a data set follows the command."""
    return command.get("CommandDataSetType", NO_DATASET) != NO_DATASET


def number(command: Command, keyword: str) -> int:
    """Return a numeric element. Raises MalformedCommand when it is missing."""
    value = command.get(keyword)
    if not isinstance(value, int):
        raise MalformedCommand(f"{keyword} is missing")
    return value


def text(command: Command, keyword: str) -> str:
    """Return a text element, empty when it is missing."""
    value = command.get(keyword, "")
    return value if isinstance(value, str) else ""


def _in_order(command: Command) -> list[str]:
    return sorted(command, key=lambda keyword: _NUMBERS[keyword][0])


def _element(number: int, vr: str, value: Value) -> bytes:
    if isinstance(value, int):
        data = _US.pack(value)
    elif isinstance(value, tuple):
        data = b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)
    else:
        data = value.encode("ascii", "replace")
        data += _PADDING[vr] * (len(data) % 2)
    return _HEADER.pack(0, number, len(data)) + data


def _value(vr: str, data: bytes) -> Value:
    if vr == "US":
        if len(data) != _US.size:
            raise MalformedCommand("a number has the wrong length")
        return int(_US.unpack(data)[0])
    if vr == "AT":
        if len(data) % 4:
            raise MalformedCommand("a list of tags has the wrong length")
        return tuple(high << 16 | low for high, low in struct.iter_unpack("<HH", data))
    return data.decode("latin-1").strip(" \0")
