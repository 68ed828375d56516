"""One TCP or TLS connection that carries PDUs: a fixed buffer, limits before memory, a deadline on every wait.

Made by scp/reception.py and by requestor.py. Sockets stay blocking and are never given to select(), which fails above
descriptor 1023; the watchdog ends a wait by shutting the socket down.
"""

import select
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum

from dicom_services.dul.errors import UNRECOGNIZED_PDU, Aborted, ProtocolViolation, TimedOut
from dicom_services.dul.watchdog import Watchdog

NEVER = float("inf")

Buffer = bytes | bytearray | memoryview


class PduType(IntEnum):
    """PDU-type (PS3.8 9.3)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


HEADER = struct.Struct(">BxL")
_MOST_PDATA = 262144
"""Twice what the node announces: some senders count a header in that others do not."""
_BUFFER_BYTES = 2 * _MOST_PDATA
LONGEST = {
    PduType.ASSOCIATE_RQ: _MOST_PDATA,  # 128 contexts with every transfer syntax of the table fit
    PduType.ASSOCIATE_AC: _MOST_PDATA,
    PduType.ASSOCIATE_RJ: 4,
    PduType.P_DATA: _MOST_PDATA,
    PduType.RELEASE_RQ: 4,
    PduType.RELEASE_RP: 4,
    PduType.ABORT: 4,
}
"""PDU type -> largest PDU-length accepted."""

_MOST_UNREAD = 1 << 20
"""Bytes that are read from a peer that goes on sending after the end."""
_MOST_PARTS = 512
"""Of one sendmsg(2); Linux takes 1,024."""


@dataclass(frozen=True, slots=True)
class Pdu:
    """One PDU; body is a view into the connection's buffer, valid until the next read."""

    type: PduType
    body: memoryview


class Connection:
    """A connected socket. One thread uses it at a time; `expire` alone may come from another."""

    def __init__(self, sock: socket.socket, watchdog: Watchdog, pdu_seconds: float) -> None:
        self._socket = sock
        self._watchdog = watchdog
        self.pdu_seconds = pdu_seconds
        self._view = memoryview(bytearray(_BUFFER_BYTES))
        self._start = self._end = 0
        self._deadline = NEVER
        self._last = NEVER
        self._expired = False
        self._closing = threading.Lock()
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        watchdog.watch(self)

    @property
    def due(self) -> float:
        """When the watchdog ends the connection: the deadline of the present wait, or the last of all."""
        return min(self._deadline, self._last)

    @property
    def expired(self) -> bool:
        return self._expired

    @property
    def sock(self) -> socket.socket:
        return self._socket

    def end_within(self, seconds: float) -> None:
        """Set the deadline of everything that is done on the connection from now on."""
        self._last = time.monotonic() + seconds

    def secure(self, context: ssl.SSLContext, *, server_side: bool, host: str | None = None) -> None:
        """Do the TLS handshake. Raises Aborted or TimedOut."""
        wrapped = context.wrap_socket(
            self._socket, server_side=server_side, do_handshake_on_connect=False, server_hostname=host
        )
        self._socket = wrapped
        if self._expired:  # meanwhile, when there was no socket to shut down
            raise self._ended("")
        try:
            wrapped.do_handshake()
        except (OSError, ValueError) as error:
            raise self._ended(f"the TLS handshake failed: {_reason(error)}") from error

    def read_pdu(self, wait_seconds: float) -> Pdu:
        """Return the next PDU: its first byte within wait_seconds, its last within the PDU deadline.

        Raises ProtocolViolation for a type or length that is not allowed, Aborted when the peer is gone, TimedOut.
        """
        self._deadline = time.monotonic() + wait_seconds
        if self._start == self._end:
            self._start = self._end = 0
            self._fill(1)
        self._deadline = time.monotonic() + self.pdu_seconds
        self._fill(HEADER.size)
        number, length = HEADER.unpack_from(self._view, self._start)
        longest = LONGEST.get(number)
        if longest is None:
            raise ProtocolViolation("a PDU of unknown type", UNRECOGNIZED_PDU)
        if length > longest:
            raise ProtocolViolation(f"a PDU of type {number} claims {length} bytes; the limit is {longest}")
        self._fill(HEADER.size + length)
        self._deadline = NEVER
        body = self._start + HEADER.size
        self._start = body + length
        return Pdu(PduType(number), self._view[body : self._start])

    def has_input(self, wait_seconds: float = 0) -> bool:
        """Say whether something can be read, within so many seconds."""
        if self._start != self._end:
            return True
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return bool(poll.poll(wait_seconds * 1000))

    def send(self, *parts: Buffer) -> None:
        """Send all parts in one piece within the PDU deadline. Raises Aborted or TimedOut."""
        self._deadline = time.monotonic() + self.pdu_seconds
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.sendall(b"".join(bytes(part) for part in parts))
            else:
                self._send_all([memoryview(part) for part in parts])
        except (OSError, ValueError) as error:
            raise self._ended(f"the connection broke while sending: {_reason(error)}") from error
        finally:
            self._deadline = NEVER

    def finish(self, seconds: float) -> None:
        """Say that nothing more comes, let the peer close first, then close: bytes unread would cause a reset."""
        try:
            self._deadline = time.monotonic() + seconds
            self._shutdown(socket.SHUT_WR)
            left = _MOST_UNREAD
            while left > 0 and (count := self._socket.recv_into(self._view)):
                left -= count
        except (OSError, ValueError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close the socket. A second call does nothing."""
        self._watchdog.forget(self)
        with self._closing:
            self._socket.close()

    def expire(self) -> None:
        """Break every wait on the connection; its thread then raises TimedOut."""
        self._expired = True
        # Not while it is being closed: the descriptor may be another connection's a moment later.
        with self._closing, suppress(OSError):  # the peer may be quicker
            self._shutdown(socket.SHUT_RDWR)

    def _shutdown(self, how: int) -> None:
        socket.socket.shutdown(self._socket, how)  # of the descriptor: SSLSocket.shutdown would drop the TLS state too

    def _fill(self, wanted: int) -> None:
        """Read until so many bytes lie in the buffer."""
        if len(self._view) - self._start < wanted:
            held = self._end - self._start
            self._view[:held] = self._view[self._start : self._end]
            self._start, self._end = 0, held
        while self._end - self._start < wanted:
            try:
                count = self._socket.recv_into(self._view[self._end :])
            except (OSError, ValueError) as error:
                raise self._ended(f"the connection broke: {_reason(error)}") from error
            if count == 0:
                raise self._ended("the peer closed the connection")
            self._end += count

    def _send_all(self, parts: list[memoryview]) -> None:
        while parts:
            sent = self._socket.sendmsg(parts[:_MOST_PARTS])
            while parts and sent >= len(parts[0]):
                sent -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][sent:]

    def _ended(self, message: str) -> Aborted | TimedOut:
        return TimedOut("a deadline passed") if self._expired else Aborted(message)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or getattr(error, "reason", None) or type(error).__name__
