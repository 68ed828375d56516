"""The node's DICOM server: listens, and negotiates from the table of contexts.

Started by the composition root (`radir scp`, `radir up`). pynetdicom reads PDUs and negotiates; what is done with a
DIMSE message is decided in association.py.
"""

import socketserver
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from pynetdicom import AE, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from dicom_services.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_services.privacy import silence_libraries
from dicom_services.scp.association import NodeAssociation, Ports, Services, on_accepted, on_requested
from dicom_services.scp.receive import InstanceWriter
from dicom_services.scu.association import set_no_delay
from radir_node.errors import PeerUnavailable
from radir_node.settings import Dicom

__all__ = ["DicomServer", "Ports", "start_server"]

log = structlog.get_logger()

_ACCEPT_POLL_SECONDS = 0.1
_NEGOTIATION_SECONDS = 30


class _Handler(RequestHandler):  # type: ignore[misc]  # pynetdicom carries no types
    """Makes the association of one connection."""

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
        association.requestor.address_info = self.remote
        association.bind(evt.EVT_REQUESTED, on_requested)
        association.bind(evt.EVT_ACCEPTED, on_accepted)
        return association


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
    application.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    application.network_timeout = application.dimse_timeout = config.network_timeout_seconds
    application.acse_timeout = min(_NEGOTIATION_SECONDS, config.network_timeout_seconds)
    try:
        server = application.make_server(
            (config.host, config.port),
            contexts=[build_context(Verification)],  # the library wants one; each association sets its own
            server_class=_Server,
            request_handler=_Handler,
        )
    except OSError as error:
        raise PeerUnavailable(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from error
    server.services = Services(config, writer, ports)
    running = DicomServer(application, server)
    log.info("dicom_server_started", ae_title=config.ae_title, host=running.address[0], port=running.address[1])
    return running
