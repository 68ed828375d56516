"""An established association, of either role: whole messages in, whole messages out.

Made by acceptance.py for callers and by requestor.py for peers; used by one thread at a time.
"""

import io
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from dicom_services.dimse import command as commands
from dicom_services.dimse.command import NO_DATASET, Command, MalformedCommand, Value
from dicom_services.dimse.message import (
    Fragment,
    MalformedFragment,
    Message,
    Sink,
    fragments,
    longest_fragment,
    packed,
    pdata_header,
)
from dicom_services.dul.connection import NEVER, Connection, Pdu, PduType
from dicom_services.dul.errors import UNEXPECTED_PDU, Aborted, AssociationEnded, ProtocolViolation, Released
from dicom_services.dul.pdu import RELEASE_RP, RELEASE_RQ, encode_abort

ABORT_SECONDS = 5.0
"""Deadline of an abort or a release, and of the peer closing after it."""

LONGEST_COMMAND = 65536
LONGEST_DATASET = 16 << 20
"""Of data sets kept in memory: identifiers, MPPS, lists of instances (100,000 fit). Images go to a sink."""
_MOST_EMPTY = 100
_USER, _PROVIDER = 0, 2


@dataclass(frozen=True, slots=True)
class Context:
    """One accepted presentation context."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    as_scu: bool
    """We may send requests in it."""
    as_scp: bool
    """The peer may send requests in it."""


@dataclass(frozen=True, slots=True)
class FileRegion:
    """A data set that lies in a file, from an offset to the end."""

    path: Path
    offset: int


OpenSink = Callable[[int, Command], Sink | None]
"""(context ID, command set) -> where its data set goes; None = into memory."""


class _Memory:
    """Collects a data set in memory, up to a limit."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: memoryview) -> None:
        if len(self._data) + len(data) > LONGEST_DATASET:
            raise ProtocolViolation("a data set that is no image is too long")
        self._data += data

    def value(self) -> bytes:
        return bytes(self._data)


@dataclass(eq=False)
class Association:
    """One established association. What ends it raises a subclass of AssociationEnded, here and ever after."""

    connection: Connection
    calling_ae_title: str
    called_ae_title: str
    contexts: Mapping[int, Context]
    peer_max_pdu: int
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """SOP class -> service class application information as agreed (PS3.7 D.3.3.5)."""
    established: bool = True
    _pending: deque[Fragment] = field(default_factory=deque)
    """Fragments of the last PDU that are not used yet."""
    _empty: int = 0
    """Empty fragments in a row."""

    def receive(self, wait_seconds: float, open_sink: OpenSink = lambda context_id, command: None) -> Message:
        """Return the next message; it must begin within wait_seconds.

        A data set goes into the sink that open_sink returns for its command, else into the message. Raises Released,
        Aborted, TimedOut or ProtocolViolation; the association is over then, and the peer has been told.
        """
        try:
            return self._message(wait_seconds, open_sink)
        except ProtocolViolation as violation:
            self._end(violation.reason)
            raise
        except (MalformedCommand, MalformedFragment) as error:
            self._end(0)
            raise ProtocolViolation(str(error)) from error
        except AssociationEnded:
            self._end(None)
            raise

    def send(self, context_id: int, command: Command, dataset: bytes | FileRegion | None = None) -> None:
        """Send one message; Command Data Set Type is set here.

        Raises OSError for a file that cannot be read: nothing was sent then, and the association goes on.
        """
        if isinstance(dataset, FileRegion):
            self._send_file(context_id, self.pack(context_id, command, has_dataset=True), dataset)
        else:
            self.send_packed(self.pack(context_id, command, dataset))

    def pack(
        self, context_id: int, command: Command, dataset: bytes | None = None, *, has_dataset: bool = False
    ) -> list[bytes | memoryview]:
        """Encode one message for send_packed; has_dataset: its data set is sent by other means."""
        longest = longest_fragment(self.peer_max_pdu)
        following = has_dataset or dataset is not None
        whole = {**command, "CommandDataSetType": 1 if following else NO_DATASET}
        parts = list(packed(context_id, commands.encode(whole), longest, command=True))
        if dataset is not None:
            parts += packed(context_id, dataset, longest, command=False)
        return parts

    def send_packed(self, parts: list[bytes | memoryview]) -> None:
        """Send messages that `pack` made, in one piece."""
        if not self.established:
            raise Aborted("the association is over")
        try:
            self.connection.send(*parts)
        except AssociationEnded:
            self._end(None)
            raise

    def has_input(self, wait_seconds: float = 0) -> bool:
        """Say whether the peer has sent something that is not received yet, or does within so many seconds."""
        return self.established and (bool(self._pending) or self.connection.has_input(wait_seconds))

    def release(self) -> None:
        """End the association in order; what the peer still sends is dropped (PS3.8 7.2)."""
        if not self.established:
            return
        with suppress(AssociationEnded):
            self.connection.end_within(ABORT_SECONDS)
            self.connection.send(RELEASE_RQ)
            while (pdu := self.connection.read_pdu(ABORT_SECONDS)).type is not PduType.RELEASE_RP:
                if pdu.type is PduType.RELEASE_RQ:  # both at once; the requestor answers first
                    self.connection.send(RELEASE_RP)
                elif pdu.type is not PduType.P_DATA:
                    break
        self._end(None)

    def abort(self) -> None:
        """End the association at once, and say so."""
        self._end(0, source=_USER)

    def _message(self, wait_seconds: float, open_sink: OpenSink) -> Message:
        command, context_id = self._command(wait_seconds)
        if not commands.has_dataset(command):
            return Message(context_id, command)
        memory = None
        sink = open_sink(context_id, command)
        if sink is None:
            sink = memory = _Memory()
        self._dataset(context_id, sink)
        return Message(context_id, command, memory.value() if memory else None)

    def _command(self, wait_seconds: float) -> tuple[dict[str, Value], int]:
        data = bytearray()
        context_id, due = 0, NEVER
        while True:
            fragment = self._fragment(wait_seconds)
            if not fragment.is_command or (data and fragment.context_id != context_id):
                raise ProtocolViolation("a fragment that no command announced", UNEXPECTED_PDU)
            context_id = fragment.context_id
            if context_id not in self.contexts:
                raise ProtocolViolation("a presentation context that was not accepted")
            if len(data) + len(fragment.data) > LONGEST_COMMAND:
                raise ProtocolViolation("a command set is too long")
            data += fragment.data
            if fragment.is_last:
                return commands.decode(data), context_id
            wait_seconds = self.connection.pdu_seconds
            due = min(due, time.monotonic() + wait_seconds)
            if time.monotonic() > due:
                raise ProtocolViolation("a command set is not complete in the time of a PDU")

    def _dataset(self, context_id: int, sink: Sink) -> None:
        while True:
            fragment = self._fragment(self.connection.pdu_seconds)
            if fragment.is_command or fragment.context_id != context_id:
                raise ProtocolViolation("another message begins within a data set", UNEXPECTED_PDU)
            sink.write(fragment.data)
            if fragment.is_last:
                return

    def _fragment(self, wait_seconds: float) -> Fragment:
        while not self._pending:
            pdu = self.connection.read_pdu(wait_seconds)
            if pdu.type is not PduType.P_DATA:
                self._leave(pdu)
            self._pending.extend(fragments(pdu.body))
        fragment = self._pending.popleft()
        self._empty = 0 if fragment.data else self._empty + 1
        if self._empty > _MOST_EMPTY:
            raise ProtocolViolation("nothing but empty fragments")
        return fragment

    def _leave(self, pdu: Pdu) -> NoReturn:
        """Answer what is no data: the peer releases, aborts, or does not know the protocol."""
        if pdu.type is PduType.RELEASE_RQ:
            self.connection.send(RELEASE_RP)
            raise Released("the peer released the association")
        if pdu.type is PduType.ABORT:
            raise Aborted("the peer aborted the association")
        raise ProtocolViolation(f"a PDU of type {int(pdu.type)} on an established association", UNEXPECTED_PDU)

    def _send_file(self, context_id: int, command: list[bytes | memoryview], region: FileRegion) -> None:
        """Send a command and the region behind it; the first piece travels with the command."""
        longest = longest_fragment(self.peer_max_pdu)
        buffer = memoryview(bytearray(longest))
        parts = command
        with region.path.open("rb", buffering=0) as file:
            left = file.seek(0, os.SEEK_END) - region.offset
            file.seek(region.offset)
            while left > 0 or parts:
                count = _read(file, buffer[: min(max(left, 0), longest)])
                if not count and parts:
                    raise OSError("the file holds no data set, or cannot be read")
                if not count:  # the peer waits for the rest
                    self._end(0, source=_USER)
                    raise Aborted("a file became shorter while it was sent")
                left -= count
                header = pdata_header(context_id, count, command=False, last=left == 0)
                self.send_packed([*parts, header, buffer[:count]])
                parts = []

    def _end(self, reason: int | None, source: int = _PROVIDER) -> None:
        """Close the connection, after an A-ABORT unless the reason is None."""
        if not self.established:
            return
        self.established = False
        self._pending.clear()
        if reason is not None:
            self.connection.end_within(ABORT_SECONDS)
            with suppress(AssociationEnded):
                self.connection.send(encode_abort(source, reason if source == _PROVIDER else 0))
        self.connection.finish(ABORT_SECONDS)


def _read(file: io.FileIO, buffer: memoryview) -> int:
    try:
        return file.readinto(buffer) or 0
    except OSError:
        return 0
