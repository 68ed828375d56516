"""A DICOM peer made of bytes: it says whatever it is told to say, right or wrong, and is as fast as a socket.

Used by the benchmark, the fault attacks and the fuzzer. It shares no code with the node, so that both cannot be wrong
in the same way. Layouts: PDUs of PS3.8 9.3, command sets of PS3.7 6.3 and E.1.
"""

import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
"""Types of PDU."""

COMMAND, LAST = 1, 2
"""Bits of the message control header of a PDV."""

C_STORE_RQ, C_GET_RQ, C_FIND_RQ, C_MOVE_RQ, C_ECHO_RQ, C_CANCEL_RQ = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030, 0x0FFF
N_EVENT_REPORT_RQ, N_ACTION_RQ = 0x0100, 0x0130
RESPONSE = 0x8000
NO_DATASET, DATASET = 0x0101, 0x0001

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
STUDY_FIND, STUDY_MOVE, STUDY_GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
IMPLEMENTATION = "2.25.214743926573011294870273264830236415511"

Context = tuple[str, Sequence[str]]
"""Abstract syntax and the transfer syntaxes proposed for it; presentation context ids are 1, 3, 5 ..."""

_ELEMENTS = {
    "AffectedSOPClassUID": (0x0002, "UI"),
    "RequestedSOPClassUID": (0x0003, "UI"),
    "CommandField": (0x0100, "US"),
    "MessageID": (0x0110, "US"),
    "MessageIDBeingRespondedTo": (0x0120, "US"),
    "MoveDestination": (0x0600, "AE"),
    "Priority": (0x0700, "US"),
    "CommandDataSetType": (0x0800, "US"),
    "Status": (0x0900, "US"),
    "AffectedSOPInstanceUID": (0x1000, "UI"),
    "RequestedSOPInstanceUID": (0x1001, "UI"),
    "EventTypeID": (0x1002, "US"),
    "ActionTypeID": (0x1008, "US"),
    "NumberOfRemainingSuboperations": (0x1020, "US"),
    "NumberOfCompletedSuboperations": (0x1021, "US"),
    "NumberOfFailedSuboperations": (0x1022, "US"),
}
_KEYWORDS = {element: (keyword, vr) for keyword, (element, vr) in _ELEMENTS.items()}


class Message(NamedTuple):
    """One DIMSE message: its command set by keyword, and its dataset where it has one."""

    context_id: int
    command: dict[str, int | str]
    dataset: bytes | None


class PeerError(Exception):
    """The other side did something else than what was waited for."""


class Closed(PeerError):
    """It closed or reset the connection."""


class Silent(PeerError):
    """It sent nothing for the whole timeout."""


class Aborted(PeerError):
    """It sent an A-ABORT."""


class Rejected(PeerError):
    """It sent an A-ASSOCIATE-RJ."""


class Unexpected(PeerError):
    """It sent another PDU or status."""


def pdu(kind: int, body: bytes = b"", length: int | None = None) -> bytes:
    """One PDU; `length` is what it claims where that is not the truth."""
    return struct.pack(">BBI", kind, 0, len(body) if length is None else length) + body


def item(kind: int, body: bytes, length: int | None = None) -> bytes:
    """One item of an A-ASSOCIATE PDU."""
    return struct.pack(">BBH", kind, 0, len(body) if length is None else length) + body


def associate_rq(
    contexts: Sequence[Context],
    calling: str = "RAW",
    called: str = "RADIR",
    max_pdu: int = 131072,
    user_items: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ. user_items: more sub-items of the user information, e.g. role selections."""
    body = struct.pack(">HH", 1, 0) + called.encode().ljust(16) + calling.encode().ljust(16) + bytes(32)
    body += item(0x10, APPLICATION_CONTEXT.encode())
    for number, (abstract, transfers) in enumerate(contexts):
        syntaxes = item(0x30, abstract.encode()) + b"".join(item(0x40, uid.encode()) for uid in transfers)
        body += item(0x20, struct.pack(">BBBB", 2 * number + 1, 0, 0, 0) + syntaxes)
    user = item(0x51, struct.pack(">I", max_pdu)) + item(0x52, IMPLEMENTATION.encode()) + item(0x55, b"RAW_PEER")
    return pdu(ASSOCIATE_RQ, body + item(0x50, user + user_items))


def role_selection(sop_class_uid: str, scu: bool, scp: bool) -> bytes:
    """A user information sub-item of PS3.7 D.3.3.4."""
    uid = sop_class_uid.encode()
    return item(0x54, struct.pack(">H", len(uid)) + uid + bytes([scu, scp]))


RELEASE = pdu(RELEASE_RQ, bytes(4))
ABORTING = pdu(ABORT, bytes(4))


def pdv(context_id: int, flags: int, data: bytes, length: int | None = None) -> bytes:
    """One presentation data value item; `length` is what it claims where that is not the truth."""
    return struct.pack(">IBB", len(data) + 2 if length is None else length, context_id, flags) + data


def element(number: int, value: bytes, group: int = 0) -> bytes:
    """One element in Implicit VR Little Endian."""
    return struct.pack("<HHI", group, number, len(value)) + value


def command_set(**values: int | str) -> bytes:
    """A command set by keyword, group length included."""
    body = b""
    for keyword, value in sorted(values.items(), key=lambda pair: _ELEMENTS[pair[0]][0]):
        number, vr = _ELEMENTS[keyword]
        if vr == "US":
            body += element(number, struct.pack("<H", value))
        else:
            data = str(value).encode()
            body += element(number, data + (b"\0" if vr == "UI" else b" ") * (len(data) % 2))
    return element(0, struct.pack("<I", len(body))) + body


def read_command_set(data: bytes) -> dict[str, int | str]:
    """The elements of a command set whose keyword is known here."""
    found: dict[str, int | str] = {}
    at = 0
    while at + 8 <= len(data):
        _, number, length = struct.unpack_from("<HHI", data, at)
        value = data[at + 8 : at + 8 + length]
        at += 8 + length
        if number in _KEYWORDS:
            keyword, vr = _KEYWORDS[number]
            found[keyword] = struct.unpack("<H", value)[0] if vr == "US" else value.decode().rstrip("\0 ")
    return found


def message(context_id: int, command: bytes, dataset: bytes | None = None, fragment: int = 130000) -> bytes:
    """A whole DIMSE message as P-DATA-TF PDUs."""
    sent = pdu(P_DATA, pdv(context_id, COMMAND | LAST, command))
    if dataset is None:
        return sent
    pieces = [dataset[at : at + fragment] for at in range(0, len(dataset), fragment)] or [b""]
    for piece in pieces[:-1]:
        sent += pdu(P_DATA, pdv(context_id, 0, piece))
    return sent + pdu(P_DATA, pdv(context_id, LAST, pieces[-1]))


def echo_rq(context_id: int = 1, message_id: int = 1) -> bytes:
    command = command_set(
        AffectedSOPClassUID=VERIFICATION,
        CommandField=C_ECHO_RQ,
        MessageID=message_id,
        CommandDataSetType=NO_DATASET,
    )
    return message(context_id, command)


def store_command(sop_class_uid: str, sop_instance_uid: str, message_id: int = 1, **changes: int | str) -> bytes:
    """The command set of a C-STORE-RQ."""
    values: dict[str, int | str] = {
        "AffectedSOPClassUID": sop_class_uid,
        "CommandField": C_STORE_RQ,
        "MessageID": message_id,
        "Priority": 0,
        "CommandDataSetType": DATASET,
        "AffectedSOPInstanceUID": sop_instance_uid,
    }
    return command_set(**(values | changes))


def find_rq(context_id: int, keys: bytes, message_id: int = 1) -> bytes:
    """A C-FIND-RQ of the Study Root; keys: the identifier in the context's transfer syntax."""
    command = command_set(
        AffectedSOPClassUID=STUDY_FIND,
        CommandField=C_FIND_RQ,
        MessageID=message_id,
        Priority=0,
        CommandDataSetType=DATASET,
    )
    return message(context_id, command, keys)


def move_rq(context_id: int, keys: bytes, destination: str = "NOWHERE", message_id: int = 1) -> bytes:
    """A C-MOVE-RQ of the Study Root."""
    command = command_set(
        AffectedSOPClassUID=STUDY_MOVE,
        CommandField=C_MOVE_RQ,
        MessageID=message_id,
        Priority=0,
        CommandDataSetType=DATASET,
        MoveDestination=destination,
    )
    return message(context_id, command, keys)


def identifier(keys: Mapping[tuple[int, int], str]) -> bytes:
    """A query identifier in Implicit VR Little Endian; keys: (group, element) -> value, empty for a return key."""
    encoded = b""
    for (group, number), value in sorted(keys.items()):
        data = value.encode()
        encoded += element(number, data + b" " * (len(data) % 2), group)
    return encoded


def explicit(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """One element in Explicit VR Little Endian."""
    value += b"\0" * (len(value) % 2)
    if vr in (b"SQ", b"OW", b"UT", b"UN"):
        return struct.pack("<HH2sHI", group, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def ct_slice(uid: str) -> bytes:
    """A small CT object in Explicit VR Little Endian, with a sequence."""
    code = explicit(0x0008, 0x0100, b"SH", b"CODE") + explicit(0x0008, 0x0104, b"LO", b"meaning")
    sequence = struct.pack("<HHI", 0xFFFE, 0xE000, len(code)) + code
    return b"".join(
        (
            explicit(0x0008, 0x0005, b"CS", b"ISO_IR 192"),
            explicit(0x0008, 0x0016, b"UI", CT_IMAGE.encode()),
            explicit(0x0008, 0x0018, b"UI", uid.encode()),
            explicit(0x0008, 0x0020, b"DA", b"20260101"),
            explicit(0x0008, 0x0060, b"CS", b"CT"),
            explicit(0x0008, 0x1032, b"SQ", sequence),
            explicit(0x0010, 0x0010, b"PN", b"SYNTHETIC^RAW"),
            explicit(0x0010, 0x0020, b"LO", b"RAW "),
            explicit(0x0020, 0x000D, b"UI", b"2.25.31"),
            explicit(0x0020, 0x000E, b"UI", b"2.25.32"),
            explicit(0x0020, 0x0013, b"IS", b"1 "),
            explicit(0x0028, 0x0010, b"US", struct.pack("<H", 8)),
            explicit(0x0028, 0x0011, b"US", struct.pack("<H", 8)),
            explicit(0x0028, 0x0100, b"US", struct.pack("<H", 16)),
            explicit(0x7FE0, 0x0010, b"OW", bytes(range(128))),
        )
    )


class RawPeer:
    """One connection to a DICOM server. Each wait for bytes ends after `timeout` seconds with Silent."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = 30, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:  # before the connection is made: it decides the window that is offered
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(timeout)
        self.socket.connect((host, port))
        self.accepted: dict[int, str] = {}
        """Accepted context id -> transfer syntax."""
        self.max_pdu = 16384
        """Longest P-DATA-TF that the other side takes."""
        self._received = b""

    def send(self, *data: bytes) -> Self:
        self.socket.sendall(b"".join(data))
        return self

    def associate(self, contexts: Sequence[Context] = ((VERIFICATION, (IMPLICIT,)),), **fields: object) -> Self:
        """Open an association. Raises Rejected, or another PeerError."""
        return self.send(associate_rq(contexts, **fields)).accept()  # type: ignore[arg-type]

    def accept(self) -> Self:
        """Read the answer to an association request that was sent already."""
        kind, body = self.read_pdu()
        if kind == ASSOCIATE_RJ:
            raise Rejected(f"rejected: result {body[1]}, source {body[2]}, reason {body[3]}")
        if kind == ABORT:
            raise Aborted("aborted instead of accepted")
        if kind != ASSOCIATE_AC:
            raise Unexpected(f"PDU type {kind} in answer to an A-ASSOCIATE-RQ")
        for number, value in _items(body[68:]):
            if number == 0x21 and value[2] == 0:
                self.accepted[value[0]] = next(v.decode() for n, v in _items(value[4:]) if n == 0x40)
            if number == 0x50:
                self.max_pdu = next(struct.unpack(">I", v)[0] for n, v in _items(value) if n == 0x51) or 131072
        return self

    def read_pdu(self) -> tuple[int, bytes]:
        """Return type and body of the next PDU."""
        kind, _, length = struct.unpack(">BBI", self._read(6))
        return kind, self._read(length)

    def read_message(self) -> Message:
        """Return the next DIMSE message. Raises PeerError."""
        command, dataset = b"", b""
        context_id, parsed = 0, None
        while True:
            kind, body = self.read_pdu()
            if kind == ABORT:
                raise Aborted(f"A-ABORT, source {body[2]}, reason {body[3]}")
            if kind != P_DATA:
                raise Unexpected(f"PDU type {kind} in the place of a message")
            at = 0
            while at < len(body):
                length, context_id, flags = struct.unpack_from(">IBB", body, at)
                value = body[at + 6 : at + 4 + length]
                at += 4 + length
                if flags & COMMAND:
                    command += value
                    if flags & LAST:
                        parsed = read_command_set(command)
                        if parsed.get("CommandDataSetType") == NO_DATASET:
                            return Message(context_id, parsed, None)
                else:
                    dataset += value
                    if flags & LAST:
                        return Message(context_id, parsed or {}, dataset)

    def echo(self, context_id: int = 1) -> int:
        """C-ECHO; return its status."""
        self.send(echo_rq(context_id))
        return int(self.read_message().command["Status"])

    def store(self, context_id: int, sop_class_uid: str, sop_instance_uid: str, dataset: bytes) -> int:
        """C-STORE; return its status."""
        size = self.max_pdu - 6
        self.send(message(context_id, store_command(sop_class_uid, sop_instance_uid), dataset, size))
        return int(self.read_message().command["Status"])

    def find(self, context_id: int, keys: bytes) -> list[bytes]:
        """C-FIND; return the identifiers of the pending responses. Raises Unexpected where it does not succeed."""
        self.send(find_rq(context_id, keys))
        found = []
        while (answer := self.read_message()).command["Status"] in (0xFF00, 0xFF01):
            found.append(answer.dataset or b"")
        if answer.command["Status"] != 0:
            raise Unexpected(f"C-FIND status 0x{answer.command['Status']:04X}")
        return found

    def release(self) -> None:
        """A-RELEASE, then close."""
        self.send(RELEASE)
        while self.read_pdu()[0] != RELEASE_RP:
            pass
        self.close()

    def ended(self) -> str:
        """Read until the other side ends it: "aborted" (A-ABORT received), "released", "rejected" or "closed".

        Raises Silent when it does not end within the timeout of one read.
        """
        try:
            while True:
                kind, _ = self.read_pdu()
                if kind in (ASSOCIATE_RJ, RELEASE_RP, ABORT):
                    return {ASSOCIATE_RJ: "rejected", RELEASE_RP: "released", ABORT: "aborted"}[kind]
        except Closed:
            return "closed"

    def stop_sending(self) -> None:
        """Close our direction: the other side reads to the end, and may still answer."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a TCP RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.socket.close()

    def _read(self, size: int) -> bytes:
        while len(self._received) < size:
            try:
                got = self.socket.recv(max(65536, size - len(self._received)))
            except TimeoutError:
                raise Silent("nothing came within the time") from None
            except OSError as error:
                raise Closed("the connection was reset") from error
            if not got:
                raise Closed("the connection was closed")
            self._received += got
        head, self._received = self._received[:size], self._received[size:]
        return head

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def part10(data: bytes) -> tuple[str, str, str, bytes]:
    """Return SOP class, SOP instance, transfer syntax and dataset of a file, as far as it says so.

    Of a file that does not, everything is the dataset, and it is announced as some CT image.
    """
    meta = {0x0002: CT_IMAGE, 0x0003: "2.25.99", 0x0010: EXPLICIT}
    at = 132
    if data[128:132] != b"DICM":
        return meta[2], meta[3], meta[16], data
    while data[at : at + 2] == b"\x02\x00" and at + 8 <= len(data):
        number, vr, length = struct.unpack_from("<2xH2sH", data, at)
        at += 8
        if vr in (b"OB", b"UN", b"OW", b"SQ", b"UT"):
            length = int.from_bytes(data[at : at + 4], "little")
            at += 4
        if number in meta:
            meta[number] = data[at : at + length].decode("ascii", "replace").strip("\0 ")[:64] or meta[number]
        at += length
    return meta[2], meta[3], meta[16], data[at:]


def _items(data: bytes) -> Iterable[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        number, _, length = struct.unpack_from(">BBH", data, at)
        yield number, data[at + 4 : at + 4 + length]
        at += 4 + length
