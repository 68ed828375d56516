"""An accepted association: hands each DIMSE-C request to its service and notes what came of it.

Made by scp/server.py for every connection.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE, C_STORE
from pynetdicom.presentation import PresentationContext

from dicom_services.contexts import acceptable
from dicom_services.scp.exchange import Exchange, calling_ae_title
from dicom_services.scp.ports import ArchivePort, QueryPort, SimilarCasesPort
from dicom_services.scp.query import answer_find
from dicom_services.scp.receive import Incoming, InstanceWriter, receive
from dicom_services.scp.retrieve import answer_get, answer_move
from radir_node.errors import TransientError
from radir_node.settings import Dicom

log = structlog.get_logger()

_RESULT_ABSTRACT_SYNTAX_NOT_SUPPORTED = 3

MOST_LISTED = 1000
"""Pairs of AE title and SOP class that one server lists: whoever invents them must not fill memory and catalogue."""


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
    listed: set[tuple[str, str]] = field(default_factory=set)
    """(calling AE title, SOP class) pairs already reported as not accepted: senders propose them every time."""

    def list_rejected(self, calling: str, rejected: list[PresentationContext]) -> None:
        for context in rejected:
            key = (calling, str(context.abstract_syntax))
            if key in self.listed or len(self.listed) >= MOST_LISTED:
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

    def _serve(self, serve: "Serve", msg: Any, context: Any) -> None:
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


Serve = Callable[[NodeAssociation, Any, Any], None]
"""(association, request primitive, presentation context) -> answers sent."""

_SERVICES: dict[type, Serve] = {
    C_STORE: _serve_store,
    C_FIND: _serve_find,
    C_MOVE: _serve_move,
    C_GET: _serve_get,
}


def on_requested(event: Any) -> None:
    """Set what the node accepts of a request that is about to be negotiated."""
    requested = event.assoc.requestor.primitive.presentation_context_definition_list
    event.assoc.acceptor.supported_contexts = acceptable(requested)


def on_accepted(event: Any) -> None:
    """Note a negotiated association, and list what it offered in vain."""
    association = event.assoc
    calling = calling_ae_title(association)
    association.services.list_rejected(calling, association.rejected_contexts)
    log.info("association_accepted", calling_ae_title=calling, contexts=len(association.accepted_contexts))
