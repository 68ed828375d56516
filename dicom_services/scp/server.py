"""The node's DICOM server: listens, negotiates from the table of contexts, and hands each request to its service.

Started by the composition root (`radir scp`, `radir up`). pynetdicom reads PDUs and negotiates; what is done with a
DIMSE message is decided here and in receive.py, query.py and retrieve.py.
"""

import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
from pynetdicom import AE, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE, C_STORE
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from dicom_services.contexts import TABLE, Row
from dicom_services.privacy import silence_libraries
from dicom_services.scp.exchange import Exchange, calling_ae_title
from dicom_services.scp.ports import ArchivePort, QueryPort, SimilarCasesPort
from dicom_services.scp.query import answer_find
from dicom_services.scp.receive import IMPLEMENTATION_CLASS_UID, Incoming, InstanceWriter, receive
from dicom_services.scp.retrieve import answer_get, answer_move
from dicom_services.scu.association import set_no_delay
from radir_node.errors import PeerUnavailable, TransientError
from radir_node.settings import Dicom

log = structlog.get_logger()

_ACCEPT_POLL_SECONDS = 0.1
_RESULT_ABSTRACT_SYNTAX_NOT_SUPPORTED = 3


@dataclass(frozen=True, slots=True)
class Ports:
    """What the server asks of the rest of the node."""

    archive: ArchivePort
    query: QueryPort
    similar: SimilarCasesPort


@dataclass
class Services:
    """What every association of one server shares."""

    config: Dicom
    writer: InstanceWriter
    ports: Ports
    contexts: list[PresentationContext]
    listed: set[tuple[str, str]] = field(default_factory=set)
    """(calling AE title, SOP class) pairs already reported as not accepted: senders propose them every time."""

    def list_rejected(self, calling: str, rejected: list[PresentationContext]) -> None:
        for context in rejected:
            key = (calling, str(context.abstract_syntax))
            if key in self.listed:
                continue
            self.listed.add(key)
            unknown = context.result == _RESULT_ABSTRACT_SYNTAX_NOT_SUPPORTED
            reason = f"{'SOP class' if unknown else 'transfer syntax'} offered in an association is not supported"
            try:
                self.ports.archive.refuse(reason, *key)
            except TransientError:
                self.listed.discard(key)


class NodeAssociation(Association):  # type: ignore[misc]  # pynetdicom carries no types
    """An accepted association whose DIMSE-C requests go to the node's services instead of the library's."""

    services: Services

    def run_reactor(self) -> None:
        self.statuses: Counter[str] = Counter()
        try:
            super().run_reactor()
        finally:
            statuses = dict(self.statuses)
            log.info("association_closed", calling_ae_title=calling_ae_title(self), statuses=statuses)

    def _serve_request(self, msg: Any, context_id: int) -> None:
        context = self._accepted_cx.get(context_id)
        serve = _SERVICES.get(type(msg))
        if serve is None or self._sent_release:
            super()._serve_request(msg, context_id)  # C-ECHO, C-CANCEL, and the library's own refusals
        elif context is None or not msg.is_valid_request:
            log.warning("request_malformed", calling_ae_title=calling_ae_title(self), request=type(msg).__name__)
            self.abort()
        else:
            self._serve(serve, msg, context)

    def _serve(self, serve: "Callable[[NodeAssociation, Any, Any], None]", msg: Any, context: Any) -> None:
        self.dimse.cancel_req = {}
        self._is_paused = True
        try:
            serve(self, msg, context)
        except Exception as error:  # noqa: BLE001  # one request must never take the server down
            log.error("request_failed", request=type(msg).__name__, error=type(error).__name__, at=_where(error))
            self.abort()
        finally:
            self._is_paused = False
            self.dimse.cancel_req = {}


def _where(error: BaseException) -> str:
    """Name the deepest line of a failure; its message may quote an identifier and stays out of the log."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return f"{Path(step.tb_frame.f_code.co_filename).name}:{step.tb_lineno}" if step else ""


def _serve_store(association: NodeAssociation, request: Any, context: Any) -> None:
    incoming = Incoming(
        sop_class_uid=str(request.AffectedSOPClassUID),
        sop_instance_uid=str(request.AffectedSOPInstanceUID),
        transfer_syntax_uid=str(context.transfer_syntax[0]),
        calling_ae_title=calling_ae_title(association),
    )
    services = association.services
    with request.DataSet.getbuffer() as data:
        status = receive(incoming, [data], services.writer, services.ports.archive)
    association.statuses[f"store 0x{status:04X}"] += 1
    response = C_STORE()
    response.MessageIDBeingRespondedTo = request.MessageID
    response.AffectedSOPClassUID = request.AffectedSOPClassUID
    response.AffectedSOPInstanceUID = request.AffectedSOPInstanceUID
    response.Status = int(status)
    association.dimse.send_msg(response, context.context_id)


def _serve_find(association: NodeAssociation, request: Any, context: Any) -> None:
    ports = association.services.ports
    association.statuses["find"] += 1
    answer_find(Exchange(association, request, context), ports.query, ports.similar, association.services.config)


def _serve_move(association: NodeAssociation, request: Any, context: Any) -> None:
    ports = association.services.ports
    association.statuses["move"] += 1
    answer_move(Exchange(association, request, context), ports.query, ports.similar, association.services.config)


def _serve_get(association: NodeAssociation, request: Any, context: Any) -> None:
    ports = association.services.ports
    association.statuses["get"] += 1
    answer_get(Exchange(association, request, context), ports.query, ports.similar)


_SERVICES: dict[type, Callable[[NodeAssociation, Any, Any], None]] = {
    C_STORE: _serve_store,
    C_FIND: _serve_find,
    C_MOVE: _serve_move,
    C_GET: _serve_get,
}


class _Handler(RequestHandler):  # type: ignore[misc]  # pynetdicom carries no types
    """Makes the association of one connection.

    The library copies every supported context for each association (about 0.1 s for this table); negotiation only
    reads them, so they are shared here.
    """

    server: "_Server"

    def _create_association(self) -> NodeAssociation:
        set_no_delay(self.request)
        # A peer that stops in the middle of a PDU would otherwise hold its thread for ever.
        self.request.settimeout(self.server.services.config.network_timeout_seconds)
        association = NodeAssociation(self.ae, "acceptor")
        association.services = self.server.services
        association._server = self.server
        association.name = f"AcceptorThread@{self.client_address[1]}"  # the library counts associations by this name
        association.set_socket(AssociationSocket(association, client_socket=self.request))
        acceptor = association.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = self.server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        acceptor.supported_contexts = self.server.services.contexts
        association.requestor.address_info = self.remote
        association.bind(evt.EVT_ACCEPTED, _on_accepted)
        return association


def _on_accepted(event: Any) -> None:
    association = event.assoc
    calling = calling_ae_title(association)
    association.services.list_rejected(calling, association.rejected_contexts)
    log.info("association_accepted", calling_ae_title=calling, contexts=len(association.accepted_contexts))


class _Server(ThreadedAssociationServer):  # type: ignore[misc]  # pynetdicom carries no types
    """The listening socket."""

    request_queue_size = 128
    daemon_threads = True
    services: Services

    def stop_listening(self) -> None:
        # The library's own shutdown() expects the server in a private list of its application entity.
        socketserver.BaseServer.shutdown(self)
        self.server_close()


class DicomServer:
    """The running server. A context manager: leaving it stops listening, waits for what runs, aborts the rest."""

    def __init__(self, application: ApplicationEntity, server: _Server) -> None:
        self._application = application
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(_ACCEPT_POLL_SECONDS,), name="dicom-listener", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port in use; the port is the one chosen when 0 was asked for."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    @property
    def associations(self) -> int:
        """Number of associations open now."""
        return len(self._server.active_associations)

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Stop listening, give running associations the grace, then abort them."""
        self._server.stop_listening()
        self._thread.join()
        deadline = time.monotonic() + grace_seconds
        for association in self._server.active_associations:
            association.join(max(0.0, deadline - time.monotonic()))
            if association.is_alive():
                association.abort()
        log.info("dicom_server_stopped")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start_server(
    config: Dicom,
    root: Path,
    ports: Ports,
    *,
    min_free_mb: int = 0,
    require_called_ae_title: bool = False,
) -> DicomServer:
    """Listen on config.host:config.port (0 = any free port) and serve in background threads.

    root: the storage root; ports: see ports.py; require_called_ae_title: reject callers that name another AE title
    than config.ae_title. Raises PeerUnavailable when the address is taken, StorageFull when root cannot be written.
    """
    silence_libraries()
    writer = InstanceWriter(root, min_free_mb * 2**20)
    writer.prepare()
    application = AE(config.ae_title)
    application.require_called_aet = require_called_ae_title
    application.maximum_associations = config.max_associations
    application.maximum_pdu_size = config.max_pdu
    application.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    application.implementation_version_name = "RADIR_NODE"
    application.network_timeout = application.dimse_timeout = config.network_timeout_seconds
    contexts = supported_contexts()
    try:
        server = application.make_server(
            (config.host, config.port), contexts=contexts, server_class=_Server, request_handler=_Handler
        )
    except OSError as error:
        raise PeerUnavailable(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from error
    server.services = Services(config, writer, ports, contexts)
    running = DicomServer(application, server)
    log.info("dicom_server_started", ae_title=config.ae_title, host=running.address[0], port=running.address[1])
    return running


def supported_contexts(table: tuple[Row, ...] = TABLE) -> list[PresentationContext]:
    """Build pynetdicom's contexts from the table."""
    contexts = []
    for row in table:
        context = build_context(row.sop_class_uid, list(row.transfer_syntax_uids))
        if row.scu:
            context.scu_role = context.scp_role = True
        contexts.append(context)
    return contexts
