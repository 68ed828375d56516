"""The MLLP server: HL7 v2 messages over TCP or TLS (HL7 v2.5.1 appendix C.4), each answered after it is durable.

The streams of the hl7 package are not used: they wait without a deadline, lose their place at the first byte between
blocks, forget how much of an overlong message is still to come, and decode before the character set is known.

Who calls is looked at before TLS and before a byte is read. A message that is too large is read to its end without
being held and rejected, and the connection goes on: a sender that is cut off sends the same again for ever.
"""

import asyncio
import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from radir_node.reports.intake.hl7_answer import Answer, acknowledgement, answer_to
from radir_node.reports.intake.hl7_header import Condition
from radir_node.reports.intake.mllp_framing import Block, Deframer, framed
from radir_node.reports.intake.mllp_senders import Doorkeeper, Sender

log = structlog.get_logger()

Handle = Callable[[bytes, str], Awaitable[bytes]]
"""(message, name of its sender) -> acknowledgement, b"" = none is sent. The message is durable when it returns."""

PIECE_BYTES = 64 << 10
BACKLOG = 64
PAUSE_SECONDS = 0.2
"""Before the next connection is taken when this one could not be, for want of descriptors for instance."""

_CODE = re.compile(rb"\rMSA.([AC][AER])")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process bears: at worst it holds connections x message_bytes."""

    connections: int = 64
    message_bytes: int = 32 << 20
    bytes_outside: int = 64 << 10
    """Bytes between two messages of one connection; who sends more speaks something else."""
    idle_seconds: float = 3600.0
    """Between messages; senders keep connections open, and open closed ones again."""
    message_seconds: float = 60.0
    """From the first byte of a message to its last."""
    answer_seconds: float = 20.0
    """For the sender to take the acknowledgement."""
    handshake_seconds: float = 10.0
    """For TLS."""
    stop_seconds: float = 10.0
    """For messages that are being stored when the server is closed."""


@dataclass(slots=True, eq=False)
class _Connection:
    """One connection, as its line in the log tells of it."""

    sender: str
    started: float = field(default_factory=time.monotonic)
    messages: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    end: str = "stop"
    """What ended it: peer (closed), broken, idle, late, deaf, foreign (no MLLP), handshake, stop (of the server)."""
    is_storing: bool = False


class MllpServer:
    """Serves until it is closed; lives in one event loop."""

    def __init__(
        self,
        handle: Handle,
        senders: Iterable[Sender],
        *,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._handle = handle
        self._limits = limits or Limits()
        self._tls = tls
        self._door = Doorkeeper(senders, self._limits.connections)
        self._tasks: dict[asyncio.Task[None], _Connection] = {}
        self._accepting: asyncio.Task[None] | None = None
        self._is_stopping = False

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port: 0 takes a free one; host "::" takes IPv4 too. Raises OSError."""
        dual = host == "::" and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)
        listening.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(listening))
        return int(listening.getsockname()[1])

    async def close(self) -> None:
        """Take no more connections, let messages that are being stored be answered, and end everything."""
        self._is_stopping = True
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])
        for task, connection in self._tasks.items():
            if not connection.is_storing:
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._limits.stop_seconds)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept(self, listening: socket.socket) -> None:
        with listening:
            while True:
                try:
                    accepted, address = await asyncio.get_running_loop().sock_accept(listening)
                except OSError as error:
                    log.error("hl7_accept_failed", error=type(error).__name__)
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                self._admit(accepted, address[0])

    def _admit(self, accepted: socket.socket, address: str) -> None:
        name = self._door.name_of(address)
        if name is None or not self._door.enter():
            refused = "unknown sender" if name is None else "too many connections"
            log.warning("hl7_refused", address=address, sender=name or "", reason=refused)
            accepted.close()
            return
        connection = _Connection(name)
        task = asyncio.create_task(self._serve(accepted, connection))
        self._tasks[task] = connection
        task.add_done_callback(lambda done: self._forget(done, accepted))

    def _forget(self, task: "asyncio.Task[None]", accepted: socket.socket) -> None:
        accepted.close()  # also where the task was cancelled before its first step
        del self._tasks[task]
        self._door.leave()

    async def _serve(self, accepted: socket.socket, connection: _Connection) -> None:
        deframer = Deframer(self._limits.message_bytes)
        try:
            await self._converse(accepted, deframer, connection)
        except OSError:
            connection.end = "broken"
        finally:
            log.info(
                "hl7_connection",
                sender=connection.sender,
                messages=connection.messages,
                answers=dict(connection.codes),
                bytes_outside=deframer.bytes_outside,
                abandoned=deframer.abandoned + deframer.is_inside,
                end_without_cr=deframer.ends_without_cr,
                end=connection.end,
                seconds=round(time.monotonic() - connection.started, 3),
            )

    async def _converse(self, accepted: socket.socket, deframer: Deframer, connection: _Connection) -> None:
        try:
            reader, writer = await self._open(accepted)
        except OSError:
            connection.end = "handshake"
            return
        try:
            connection.end = await self._messages(reader, writer, deframer, connection)
            with suppress(OSError):
                writer.close()
                async with asyncio.timeout(self._limits.answer_seconds):
                    await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _open(self, accepted: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=PIECE_BYTES, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        timeout = self._limits.handshake_seconds if self._tls is not None else None
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, accepted, ssl=self._tls, ssl_handshake_timeout=timeout, ssl_shutdown_timeout=timeout
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _messages(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deframer: Deframer, connection: _Connection
    ) -> str:
        """Answer message after message; return what ended the connection. Bytes of no message put off no deadline."""
        clock = asyncio.get_running_loop().time
        due = clock() + self._limits.idle_seconds
        while not self._is_stopping:
            try:
                async with asyncio.timeout_at(due):
                    piece = await reader.read(PIECE_BYTES)
            except TimeoutError:
                return "late" if deframer.is_inside else "idle"
            if not piece:
                return "peer"
            was_inside, before = deframer.is_inside, connection.messages
            for block in deframer.feed(piece):
                if not await self._answer(block, writer, connection):
                    return "deaf"
            if deframer.bytes_since_block > self._limits.bytes_outside:
                return "foreign"
            if connection.messages > before or was_inside != deframer.is_inside:
                inside = deframer.is_inside
                due = clock() + (self._limits.message_seconds if inside else self._limits.idle_seconds)
        return "stop"

    async def _answer(self, block: Block, writer: asyncio.StreamWriter, connection: _Connection) -> bool:
        """Have one message stored and answer it; False = the sender does not take the answer."""
        connection.messages += 1
        connection.is_storing = True
        try:
            answer = self._too_large(block) if block.is_overlong else await self._stored(block, connection.sender)
            said = _CODE.search(answer)
            connection.codes[said[1].decode() if said else "none"] += 1
            if answer:
                writer.write(framed(answer))
                async with asyncio.timeout(self._limits.answer_seconds):
                    await writer.drain()
        except TimeoutError:
            return False
        finally:
            connection.is_storing = False
        return True

    async def _stored(self, block: Block, sender: str) -> bytes:
        try:
            return await self._handle(block.content, sender)
        except Exception as error:  # noqa: BLE001  # whatever it is, the sender must not take the message for stored
            log.error("hl7_not_stored", error=type(error).__name__)
            return answer_to(block.content, error)

    def _too_large(self, block: Block) -> bytes:
        reason = f"the message is larger than {self._limits.message_bytes >> 20} MiB"
        return acknowledgement(block.content, Answer.REJECTED, reason, Condition.INTERNAL)
