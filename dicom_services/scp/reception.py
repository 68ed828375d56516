"""From a TCP connection to an accepted association: handshake, request, judgement, answer, service.

One Reception per process, one thread per connection. Nothing here happens on the accept thread, and a connection has no
more than timeouts.request_seconds for all of it, so that idle peers cost a thread for seconds and nobody else's turn.
"""

import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from dicom_services.contexts import offer
from dicom_services.dul.acceptance import accept, decode_request, read_request, reject
from dicom_services.dul.association import Association
from dicom_services.dul.connection import Connection
from dicom_services.dul.errors import AssociationEnded, ProtocolViolation
from dicom_services.dul.pdu import ACCEPTANCE, AnsweredContext, encode_abort
from dicom_services.dul.request import AssociateRequest, Rejection
from dicom_services.dul.tls import peer_certificate
from dicom_services.dul.watchdog import Watchdog
from dicom_services.scp.admission.access import Admission
from dicom_services.scp.admission.doorkeeper import Doorkeeper
from dicom_services.scp.association import Services, Session
from dicom_services.scp.rejected_contexts import RejectedContexts
from radir_node.settings import Dicom

log = structlog.get_logger()

MOST_PENDING = 128
"""Connections of one process that have not become associations yet; the oldest makes room for the next."""

HandOver = Callable[[Connection, AssociateRequest, bytes], bool]
"""Gives a connection to the process that serves what its request asks for; False = keep it."""


class Reception:
    """Every connection of one process, from its acceptance to its end."""

    def __init__(
        self,
        config: Dicom,
        services: Services,
        doorkeeper: Doorkeeper,
        hand_over: HandOver = lambda connection, request, body: False,
    ) -> None:
        self._config = config
        self._services = services
        self._doorkeeper = doorkeeper
        self._hand_over = hand_over
        self._rejected = RejectedContexts(services.spool)
        self._watchdog = Watchdog()
        self._lock = threading.Lock()
        self._pending: OrderedDict[Connection, None] = OrderedDict()
        self._threads: set[threading.Thread] = set()
        self._associations: set[Association] = set()

    @property
    def associations(self) -> int:
        """Number of associations of this process that are open now."""
        return len(self._associations)

    def welcome(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve a new connection in a thread of its own."""
        self._start(sock, lambda connection: self._receive(connection, tls))

    def take_over(self, sock: socket.socket, body: bytes) -> None:
        """Serve a connection whose association request another process has read already."""
        self._start(sock, lambda connection: self._judge(connection, body))

    def stop(self, grace_seconds: float) -> None:
        """Give running associations the grace, then abort them. New connections must not come any more."""
        with self._lock:
            for connection in self._pending:
                connection.expire()
            threads = list(self._threads)
        deadline = time.monotonic() + grace_seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            for association in self._associations:
                association.connection.expire()
            threads = list(self._threads)
        for thread in threads:
            thread.join()
        self._watchdog.stop()

    def _start(self, sock: socket.socket, serve: Callable[[Connection], None]) -> None:
        try:
            connection = Connection(sock, self._watchdog, self._config.timeouts.pdu_seconds)
        except (OSError, MemoryError):  # gone before it was looked at, or no room for it
            sock.close()
            return
        connection.end_within(self._config.timeouts.request_seconds)
        thread = threading.Thread(target=self._run, args=(connection, serve), name="association", daemon=True)
        with self._lock:
            self._pending[connection] = None
            self._threads.add(thread)
            if len(self._pending) > MOST_PENDING:
                oldest, _ = self._pending.popitem(last=False)
                oldest.expire()
        try:
            thread.start()
        except (RuntimeError, MemoryError):  # the system has no room for another thread; who waits at the door may
            log.error("connection_not_accepted", reason="no thread can be started")
            self._forget(connection, thread)

    def _run(self, connection: Connection, serve: Callable[[Connection], None]) -> None:
        try:
            serve(connection)
        except ProtocolViolation as violation:
            with suppress(AssociationEnded):
                connection.send(encode_abort(2, violation.reason))
            log.info("connection_refused", reason=str(violation))
        except AssociationEnded as error:
            log.debug("connection_ended", reason=str(error))
        except Exception as error:  # noqa: BLE001  # its message may quote an identifier, and stderr is a log too
            log.error("connection_failed", error=type(error).__name__)
        finally:
            self._forget(connection, threading.current_thread())

    def _forget(self, connection: Connection, thread: threading.Thread) -> None:
        connection.close()
        with self._lock:
            self._pending.pop(connection, None)
            self._threads.discard(thread)

    def _receive(self, connection: Connection, tls: ssl.SSLContext | None) -> None:
        if tls is not None:
            connection.secure(tls, server_side=True)
        self._judge(connection, read_request(connection, self._config.timeouts.request_seconds))

    def _judge(self, connection: Connection, body: bytes) -> None:
        over_tls = isinstance(connection.sock, ssl.SSLSocket)
        request = decode_request(
            body, _address(connection.sock), certificate=peer_certificate(connection.sock), over_tls=over_tls
        )
        if not over_tls and self._hand_over(connection, request, body):
            return
        with self._doorkeeper.judged(request) as verdict:
            if isinstance(verdict, Rejection):
                log.warning("association_rejected", calling_ae_title=request.calling_ae_title, reason=verdict.why)
                reject(connection, verdict)
            else:
                self._serve(connection, request, verdict.admission, verdict.identity_response)

    def _serve(
        self, connection: Connection, request: AssociateRequest, admission: Admission, identity_response: bytes | None
    ) -> None:
        association, answers = accept(
            connection, request, lambda uid: offer(uid, admission.verbs), self._config.max_pdu, identity_response
        )
        connection.end_within(self._config.timeouts.association_seconds)
        with self._lock:
            self._pending.pop(connection, None)
            self._associations.add(association)
        try:
            self._note(association, request, answers)
            Session(association, admission, self._services).run()
        finally:
            with self._lock:
                self._associations.discard(association)

    def _note(self, association: Association, request: AssociateRequest, answers: Sequence[AnsweredContext]) -> None:
        calling = association.calling_ae_title
        refused = [
            (asked.abstract_syntax, answer.result)
            for asked, answer in zip(request.contexts, answers, strict=True)
            if answer.result != ACCEPTANCE
        ]
        self._rejected.list(calling, refused)
        log.info("association_accepted", calling_ae_title=calling, contexts=len(association.contexts))


def _address(sock: socket.socket) -> str:
    try:
        return str(sock.getpeername()[0])
    except OSError:  # gone already; the answer will fail
        return ""
