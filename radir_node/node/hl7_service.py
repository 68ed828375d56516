"""Take reports by HL7 in the foreground until SIGTERM or SIGINT. Called by `radir hl7`."""

import asyncio
import contextlib
import signal
import ssl
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import structlog

from dicom_services.dul.tls import server_context
from radir_node.domain.received_report import Channel, Submission
from radir_node.errors import PeerUnavailable, RadirError, UnreadableReport
from radir_node.node.node import Node
from radir_node.node.report_intake import GroupCommit
from radir_node.node.report_sources import submissions
from radir_node.node.run_files import announced
from radir_node.reports.intake.hl7_answer import answer_to
from radir_node.reports.intake.hl7_header import UnsupportedMessage
from radir_node.reports.intake.mllp import Limits, MllpServer
from radir_node.reports.intake.mllp_senders import Sender
from radir_node.settings import Reports

log = structlog.get_logger()

DOCUMENTS_AT_ONCE = 2
"""Messages that are read in threads; a PDF takes up to 1 GiB and a minute in a process of its own."""


def run_hl7(node: Node) -> None:
    """Serve until told to stop; nothing where hl7.enabled says so. Raises PeerUnavailable when the port is taken."""
    if not node.settings.hl7.enabled:
        log.info("hl7_not_enabled")
        return
    _ = node.report_inbox  # a database that is away is noticed by whoever starts the service, not by the first sender
    asyncio.run(_serve(node))


async def _serve(node: Node) -> None:
    hl7 = node.settings.hl7
    limits = Limits(
        connections=hl7.max_connections,
        message_bytes=hl7.max_message_mb << 20,
        message_seconds=hl7.message_seconds,
        idle_seconds=hl7.idle_seconds,
    )
    tls = server_context(node.settings.dicom.tls) if hl7.tls else None
    with ThreadPoolExecutor(DOCUMENTS_AT_ONCE, "document") as readers:
        await _listen(node, limits, tls, readers)


async def _listen(node: Node, limits: Limits, tls: ssl.SSLContext | None, readers: Executor) -> None:
    hl7 = node.settings.hl7
    async with GroupCommit(node.report_inbox) as commit:
        desk = Desk(node.settings.reports, commit, readers)
        server = MllpServer(desk.answer, senders(node.settings.reports), limits=limits, tls=tls)
        try:
            port = await server.start(hl7.host, hl7.port)
        except OSError as error:
            raise PeerUnavailable(f"hl7: cannot listen on {hl7.host}:{hl7.port}: {error.strerror}") from error
        with announced(node.root, "hl7", hl7.host, port), _stop_signal() as stopped:
            log.info("hl7_listening", host=hl7.host, port=port, tls=hl7.tls)
            await stopped.wait()
        await server.close()


@dataclass(frozen=True)
class Desk:
    """Answers each message: accepted when it is durable, and why not when it is not."""

    reports: Reports
    commit: GroupCommit
    readers: Executor | None = None
    """Of documents: a few PDFs would hold up all messages where the database is written. None = there all the same."""

    async def answer(self, raw: bytes, source: str) -> bytes:
        """Return the acknowledgement. What cannot be read is a dead letter; what is no report is only refused."""
        try:
            said = await self._read(raw, source)
        except UnsupportedMessage as error:
            return answer_to(raw, error)
        except UnreadableReport as error:
            return await self._stored(raw, [Submission(Channel.HL7, source, raw, reason=str(error))], error)
        return await self._stored(raw, said)

    async def _read(self, raw: bytes, source: str) -> list[Submission]:
        """Read a message; one that may hold a document in a thread, as a PDF takes a process of its own and seconds."""
        if b"ED" not in raw:
            return submissions(Channel.HL7, raw, source, self.reports)
        reading = partial(submissions, Channel.HL7, raw, source, self.reports)
        return await asyncio.get_running_loop().run_in_executor(self.readers, reading)

    async def _stored(self, raw: bytes, said: list[Submission], fault: UnreadableReport | None = None) -> bytes:
        try:
            await self.commit.accept(said)
        except RadirError as error:
            log.warning("hl7_not_stored", error=type(error).__name__)
            return answer_to(raw, error)
        return answer_to(raw, fault)


def senders(reports: Reports) -> list[Sender]:
    """Return who may send, from the settings."""
    return [Sender(name, source.addresses) for name, source in reports.sources.items()]


@contextlib.contextmanager
def _stop_signal() -> Iterator[asyncio.Event]:
    """Yield an event that SIGTERM and SIGINT set."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    stopping = (signal.SIGTERM, signal.SIGINT)
    for number in stopping:
        loop.add_signal_handler(number, event.set)
    try:
        yield event
    finally:
        for number in stopping:
            loop.remove_signal_handler(number)
