"""Reads the message header (HL7 v2.5.1 chapter 2.15.9) from bytes, whatever else is wrong with a message.

Called before the character set is known: by the decoder, by the reader, and by whoever answers.
"""

import string
from dataclasses import dataclass
from enum import IntEnum

from radir_node.errors import UnreadableReport

MAX_HEADER_BYTES = 4096

_BEFORE = b"\xef\xbb\xbf\x00\r\n\t\v "
"""What careless senders put before the first segment."""
_PUNCTUATION = frozenset(string.punctuation.encode())


class Condition(IntEnum):
    """Message error condition codes (table 0357)."""

    SEGMENT_SEQUENCE = 100
    REQUIRED_FIELD = 101
    DATA_TYPE = 102
    MESSAGE_TYPE = 200
    EVENT = 201
    VERSION = 203
    INTERNAL = 207


class UnsupportedMessage(UnreadableReport):
    """The message is no report, or of a version that is not read: it is rejected rather than found faulty."""

    def __init__(self, reason: str, condition: Condition) -> None:
        super().__init__(reason)
        self.condition = condition


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of an MSH segment as bytes."""

    separator: bytes = b"|"
    encoding: bytes = b"^~\\&"
    """MSH-2: component, repetition, escape, subcomponent."""
    fields: tuple[bytes, ...] = ()

    def field(self, number: int) -> bytes:
        """Return MSH-number, b"" where it is missing; number >= 2."""
        return self.fields[number - 1].strip() if number <= len(self.fields) else b""

    def component(self, number: int, component: int = 1) -> str:
        """Return a component of the first repetition as ASCII, in upper case; foreign bytes become "?"."""
        first = self.field(number).split(self.encoding[1:2])[0].split(self.encoding[:1])
        raw = first[component - 1] if component <= len(first) else b""
        return raw.decode("ascii", "replace").replace("\ufffd", "?").strip().upper()


def read_header(raw: bytes) -> Header | None:
    """Return the header of a message, None where it does not begin with a usable MSH segment."""
    start = raw[:MAX_HEADER_BYTES].lstrip(_BEFORE)
    line = start.replace(b"\n", b"\r").split(b"\r", 1)[0]
    separator = line[3:4]
    encoding = line[4:].split(separator, 1)[0] if separator else b""
    delimiters = set(separator + encoding)
    if not line.startswith(b"MSH") or len(encoding) not in (4, 5) or len(delimiters) != len(encoding) + 1:
        return None
    if not all(byte in _PUNCTUATION for byte in delimiters):
        return None
    return Header(separator, encoding, tuple(line.split(separator)))
