"""Answers C-MOVE and C-GET: objects go out as they are stored; the Structured Report is made when it is asked for.

Called by requests.py, in the thread of the requester's association.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from dicom_services.dimse.command import text
from dicom_services.dul.errors import AssociationEnded, Rejected
from dicom_services.dul.request import CALLED_AE_TITLE_NOT_RECOGNIZED
from dicom_services.scp.destinations import Busy, Destinations
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.plan import MATCHES_UNKNOWN, MAX_SUBOPERATIONS, Plan, plan
from dicom_services.scp.ports import QueryPort, SimilarCasesPort, StoredObject
from dicom_services.scp.progress import SOME_FAILED, SUBOPERATIONS_FAILED, Cancelled, Progress, RequesterGone
from dicom_services.scp.query import UNABLE_TO_PROCESS
from dicom_services.scu.association import MAX_MESSAGE_ID
from dicom_services.scu.caller import Caller
from dicom_services.scu.delivery import Delivery
from dicom_services.scu.store import store
from radir_node.errors import PeerUnavailable
from radir_node.settings import Dicom, Peer

__all__ = [
    "DESTINATION_UNKNOWN",
    "MATCHES_UNKNOWN",
    "MAX_SUBOPERATIONS",
    "SOME_FAILED",
    "SUBOPERATIONS_FAILED",
    "Retrieve",
    "answer_get",
    "answer_move",
]

log = structlog.get_logger()

DESTINATION_UNKNOWN = 0xA801


@dataclass(frozen=True)
class Retrieve:
    """What every retrieve of one process works with."""

    query: QueryPort
    similar: SimilarCasesPort
    config: Dicom
    destinations: Destinations = field(default_factory=Destinations)

    @property
    def caller(self) -> Caller:
        return Caller.of(self.config)

    def peer(self, ae_title: str) -> Peer | None:
        return next((peer for peer in self.config.peers.values() if peer.ae_title == ae_title), None)


class _Refused(Exception):
    """The whole retrieve is turned down."""

    def __init__(self, status: int, comment: str) -> None:
        super().__init__(comment)
        self.status = status


def answer_get(exchange: Exchange, retrieve: Retrieve) -> None:
    """Send the objects back over the same association."""
    found = plan(exchange, retrieve.query, retrieve.similar)
    if found is not None:
        _answer(exchange, found, lambda progress: _get(progress, found, retrieve))


def answer_move(exchange: Exchange, retrieve: Retrieve) -> None:
    """Send the objects to the destination, which must be a configured peer."""
    destination = retrieve.peer(text(exchange.command, "MoveDestination"))
    if destination is None:
        exchange.respond(DESTINATION_UNKNOWN, comment="move destination is not a configured peer")
        return
    found = plan(exchange, retrieve.query, retrieve.similar)
    if found is not None:
        _answer(exchange, found, lambda progress: _move(progress, found, destination, retrieve))


def _answer(exchange: Exchange, found: Plan, deliver: Callable[[Progress], None]) -> None:
    """Do the sub-operations and answer once, whatever becomes of them."""
    progress = Progress(exchange, len(found))
    try:
        end = _outcome(progress, found, deliver)
        end()
    except RequesterGone:
        log.info("retrieve_abandoned", calling_ae_title=exchange.calling_ae_title, **progress.tally.so_far())


def _outcome(progress: Progress, found: Plan, deliver: Callable[[Progress], None]) -> Callable[[], None]:
    """Do the sub-operations; return the one final response."""
    try:
        for sop_instance_uid in found.unmade:
            progress.count(sop_instance_uid, UNABLE_TO_PROCESS)
        deliver(progress)
    except Cancelled:
        return progress.finish_cancelled
    except _Refused as refused:
        return partial(progress.finish, refused.status, str(refused))
    return progress.finish


def _get(progress: Progress, found: Plan, retrieve: Retrieve) -> None:
    send = _sender(progress.exchange, retrieve.config.timeouts.response_seconds)
    for item in progress.each(found.held):
        progress.count(item.sop_instance_uid, send(item))


def _sender(exchange: Exchange, response_seconds: float) -> Callable[[StoredObject], int]:
    """Return what does one C-GET sub-operation. It raises RequesterGone."""
    first, done = exchange.message_id, 0

    def send(item: StoredObject) -> int:
        nonlocal done
        done += 1
        message_id = (first + done - 1) % MAX_MESSAGE_ID + 1
        try:
            return store(exchange.association, item, message_id, lambda n: exchange.response_to(n, response_seconds))
        except AssociationEnded as error:
            raise RequesterGone from error

    return send


def _move(progress: Progress, found: Plan, destination: Peer, retrieve: Retrieve) -> None:
    try:
        with retrieve.destinations.place(destination.ae_title, progress.watch):
            if found.held:
                _deliver(progress, found.held, destination, retrieve.caller)
    except Busy:
        progress.fail(_uids(found.held + found.gone), "destination is busy with other retrieves")


def _deliver(progress: Progress, items: list[StoredObject], destination: Peer, caller: Caller) -> None:
    """Send objects to the destination, naming the requester as Move Originator (PS3.7 9.3.1.1)."""
    originator = (progress.exchange.calling_ae_title, progress.exchange.message_id)
    try:
        with Delivery(destination, caller, items, originator, progress.watch) as delivery:
            for item in progress.each(items):
                progress.count(item.sop_instance_uid, delivery.send(item))
    except Rejected as error:
        log.warning("move_destination_rejects", destination=destination.ae_title, reason=str(error))
        if (error.result, error.source, error.reason) == _UNKNOWN_THERE:
            raise _Refused(DESTINATION_UNKNOWN, "the destination goes by another AE title") from error
        progress.fail(_uids(items), "destination rejects the association")
    except PeerUnavailable as error:
        log.warning("move_destination_unavailable", destination=destination.ae_title, reason=str(error))
        progress.fail(_uids(items), "destination does not answer")


_UNKNOWN_THERE = (
    CALLED_AE_TITLE_NOT_RECOGNIZED.result,
    CALLED_AE_TITLE_NOT_RECOGNIZED.source,
    CALLED_AE_TITLE_NOT_RECOGNIZED.reason,
)


def _uids(items: list[StoredObject]) -> list[str]:
    return [item.sop_instance_uid for item in items]
