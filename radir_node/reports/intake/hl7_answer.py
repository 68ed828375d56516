"""Acknowledges HL7 v2 messages (chapters 2.9 and 2.15.8), also those that cannot be read. Called by who stores them.

    AA  stored                                 CA  the same as accept acknowledgement
    AE  faulty: kept, and listed with a reason CE
    AR  not taken: no report, too large, or    CR
        the node cannot store it now (207)

One acknowledgement is sent, on the same connection, after the durable write. A message without MSH-15 and MSH-16 is
answered in original mode, by A codes. In enhanced mode MSH-15 alone asks for a C code; MSH-16 asks for an A code, which
says at least as much and is sent in place of it; a separate application acknowledgement later is not offered. What both
fields decline is not sent.
"""

import datetime as dt
import itertools
import os
from enum import StrEnum

from radir_node.errors import TransientError, UnreadableReport
from radir_node.reports.intake.hl7_header import Condition, Header, UnsupportedMessage, read_header

MAX_FIELD_BYTES = 250
"""Of a field that is sent back."""

_numbers = itertools.count(1)


class Answer(StrEnum):
    """MSA-1 in original mode (table 0008)."""

    ACCEPTED = "AA"
    FAULTY = "AE"
    REJECTED = "AR"


def answer_to(raw: bytes, error: Exception | None = None) -> bytes:
    """Return the acknowledgement of a message by what became of it; b"" where the sender wants none.

    None = it is stored. UnsupportedMessage rejects it, UnreadableReport finds it faulty; TransientError and anything
    else mean that the node cannot store it now, and do not say why.
    """
    if error is None:
        return acknowledgement(raw, Answer.ACCEPTED)
    if isinstance(error, UnsupportedMessage):
        return acknowledgement(raw, Answer.REJECTED, str(error), error.condition)
    if isinstance(error, UnreadableReport):
        return acknowledgement(raw, Answer.FAULTY, str(error), Condition.DATA_TYPE)
    is_passing = isinstance(error, TransientError)
    reason = "the node cannot store it now" if is_passing else "the node failed; nothing is stored"
    return acknowledgement(raw, Answer.REJECTED, reason, Condition.INTERNAL)


def acknowledgement(raw: bytes, answer: Answer, reason: str = "", condition: Condition = Condition.INTERNAL) -> bytes:
    """Return an ACK to a message, without the MLLP frame; b"" where the sender wants none.

    raw may be cut or no message at all: MSA-2 is then empty. reason is one line without a word of the message; it
    stands in MSA-3 for old senders and in ERR-8 for others, with its condition.
    """
    header = read_header(raw) or Header()
    code = _code(header, answer)
    if not code:
        return b""
    separator = header.separator
    said = _escaped(reason, header)
    segments = [_header(header), (b"MSA", code, _sent(header, 10), *([said] if said else []))]
    if answer is not Answer.ACCEPTED:
        error = header.encoding[:1].join((b"%d" % condition, _escaped(_TEXTS[condition], header), b"HL70357"))
        segments.append((b"ERR", b"", b"", error, b"E", b"", b"", b"", said))
    return b"".join(separator.join(fields) + b"\r" for fields in segments)


_TEXTS = {
    Condition.SEGMENT_SEQUENCE: "Segment sequence error",
    Condition.REQUIRED_FIELD: "Required field missing",
    Condition.DATA_TYPE: "Data type error",
    Condition.MESSAGE_TYPE: "Unsupported message type",
    Condition.EVENT: "Unsupported event code",
    Condition.VERSION: "Unsupported version id",
    Condition.INTERNAL: "Application internal error",
}


def _code(header: Header, answer: Answer) -> bytes:
    """Return MSA-1, b"" where MSH-15 and MSH-16 (table 0155) decline it."""
    accept, application = header.component(15), header.component(16)
    if not accept and not application:
        return answer.value.encode()
    wanted = {"AL", "SU" if answer is Answer.ACCEPTED else "ER"}
    if application in wanted:
        return answer.value.encode()
    return b"C" + answer.value[1:].encode() if accept in wanted else b""


def _header(header: Header) -> tuple[bytes, ...]:
    now = dt.datetime.now().astimezone().strftime("%Y%m%d%H%M%S%z").encode()
    event = _sent_component(header, 9, 2)
    kind = header.encoding[:1].join((b"ACK", event, b"ACK")) if event else b"ACK"
    number = f"{os.getpid():x}-{next(_numbers):x}-{now.decode()[:14]}".encode()
    receiver, sender = (_sent(header, 5), _sent(header, 6)), (_sent(header, 3), _sent(header, 4))
    processing, version = _sent(header, 11) or b"P", _sent(header, 12) or b"2.5.1"
    return (b"MSH", header.encoding, *receiver, *sender, now, b"", kind, number, processing, version)


def _sent(header: Header, number: int) -> bytes:
    """Return a field of the message as it came, without control characters."""
    return bytes(byte for byte in header.field(number)[:MAX_FIELD_BYTES] if byte >= 0x20)


def _sent_component(header: Header, number: int, component: int) -> bytes:
    value = header.component(number, component)
    return value.encode() if value.isalnum() and len(value) <= len("T02") else b""


def _escaped(reason: str, header: Header) -> bytes:
    """Return a reason as a field: ASCII, delimiters escaped."""
    escape = header.encoding[2:3]
    names = zip(header.separator + header.encoding[:4], b"FSRET", strict=True)
    table = {byte: escape + bytes([name]) + escape for byte, name in names}
    plain = reason.encode("ascii", "replace")[:MAX_FIELD_BYTES]
    return b"".join(table.get(byte, bytes([byte])) for byte in plain if byte >= 0x20)
