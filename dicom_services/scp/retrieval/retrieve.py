"""Answers C-MOVE and C-GET: objects go out as they are stored; the Structured Report is made when it is asked for.

Called by requests.py, in the thread of the requester's association.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import structlog

from dicom_services.dimse.command import text
from dicom_services.dul.errors import AssociationEnded, Rejected
from dicom_services.dul.request import CALLED_AE_TITLE_NOT_RECOGNIZED
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.ports import QueryPort, SimilarCasesPort, StoredObject
from dicom_services.scp.query.find import UNABLE_TO_PROCESS
from dicom_services.scp.retrieval import fetch, proxy
from dicom_services.scp.retrieval.destinations import Busy, Destinations
from dicom_services.scp.retrieval.elsewhere import Archive, uids
from dicom_services.scp.retrieval.plan import MATCHES_UNKNOWN, MAX_SUBOPERATIONS, Plan, plan
from dicom_services.scp.retrieval.progress import SOME_FAILED, SUBOPERATIONS_FAILED, Cancelled, Progress, RequesterGone
from dicom_services.scp.storage.spool import Spool
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

_LAST_MESSAGE_ID = 0x7FFF
"""Of C-GET sub-operations; above it are the storage commitment reports of the same association (commitment.py)."""

NO_LONGER_KEPT = "the node no longer keeps it"

Send = Callable[[StoredObject], int]
"""Does one sub-operation; returns its C-STORE status."""


@dataclass(frozen=True)
class Retrieve:
    """What every retrieve of one process works with."""

    query: QueryPort
    similar: SimilarCasesPort
    config: Dicom
    spool: Spool
    """Where an object lies while it is passed on."""
    destinations: Destinations = field(default_factory=Destinations)

    @property
    def caller(self) -> Caller:
        return Caller.of(self.config)

    def peer(self, ae_title: str) -> Peer | None:
        return next((peer for peer in self.config.peers.values() if peer.ae_title == ae_title), None)

    def archive(self, *not_for: str) -> Archive | None:
        """Return who has what the node no longer keeps; nobody where these AE titles are that archive: no circles."""
        peer = self.config.peers.get(self.config.retrieve_from)
        if peer is None or peer.ae_title in not_for:
            return None
        return Archive(peer, self.caller, self.spool)


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
        return partial(progress.refuse, refused.status, str(refused))
    return progress.finish


def _get(progress: Progress, found: Plan, retrieve: Retrieve) -> None:
    send = _sender(progress.exchange, retrieve.config.timeouts.response_seconds)
    for item in progress.each(found.held):
        progress.count(item.sop_instance_uid, send(item))
    if not found.gone:
        return
    archive = retrieve.archive(progress.exchange.calling_ae_title)
    if archive is None:
        progress.fail(uids(found.gone), NO_LONGER_KEPT)
    else:
        fetch.fetch(archive, found.gone, send, progress)


def _sender(exchange: Exchange, response_seconds: float) -> Send:
    """Return what does one C-GET sub-operation. It raises RequesterGone."""
    first, done = exchange.message_id, 0

    def send(item: StoredObject) -> int:
        nonlocal done
        done += 1
        message_id = (first + done - 1) % _LAST_MESSAGE_ID + 1
        try:
            return store(exchange.association, item, message_id, lambda n: exchange.response_to(n, response_seconds))
        except AssociationEnded as error:
            raise RequesterGone from error

    return send


def _move(progress: Progress, found: Plan, destination: Peer, retrieve: Retrieve) -> None:
    try:
        with retrieve.destinations.place(destination.ae_title, progress.watch):
            if found.held:
                _deliver(progress, found.held, destination, retrieve.caller, partial(_send_held, progress, found.held))
            if found.gone:
                _deliver_gone(progress, found.gone, destination, retrieve)
    except Busy:
        progress.fail(uids(found.held + found.gone), "destination is busy with other retrieves")


def _send_held(progress: Progress, items: list[StoredObject], send: Send) -> None:
    for item in progress.each(items):
        progress.count(item.sop_instance_uid, send(item))


def _deliver_gone(progress: Progress, items: list[StoredObject], destination: Peer, retrieve: Retrieve) -> None:
    """Let the archive deliver what the node no longer keeps, else fetch it and send it on."""
    archive = retrieve.archive(progress.exchange.calling_ae_title, destination.ae_title)
    if archive is None:
        progress.fail(uids(items), NO_LONGER_KEPT)
        return
    rest = proxy.move(archive, items, destination.ae_title, progress)
    if rest:
        log.info("archive_does_not_deliver", archive=archive.peer.ae_title, destination=destination.ae_title)
        _deliver(progress, rest, destination, retrieve.caller, lambda send: fetch.fetch(archive, rest, send, progress))


def _deliver(
    progress: Progress, items: list[StoredObject], destination: Peer, caller: Caller, work: Callable[[Send], None]
) -> None:
    """Send objects to the destination, naming the requester as Move Originator (PS3.7 9.3.1.1)."""
    originator = (progress.exchange.calling_ae_title, progress.exchange.message_id)
    with ExitStack() as closing:
        try:
            delivery = closing.enter_context(Delivery(destination, caller, items, originator, progress.watch))
        except PeerUnavailable as error:
            log.warning("move_destination_unavailable", destination=destination.ae_title, reason=str(error))
            if _is_unknown_there(error) and not progress.tally.delivered:
                raise _Refused(DESTINATION_UNKNOWN, "the destination goes by another AE title") from error
            rejected = isinstance(error, Rejected)
            progress.fail(uids(items), f"destination {'rejects us' if rejected else 'does not answer'}")
        else:
            work(delivery.send)


def _is_unknown_there(error: PeerUnavailable) -> bool:
    """Say whether a destination is another application entity than the configuration says."""
    said = CALLED_AE_TITLE_NOT_RECOGNIZED
    return isinstance(error, Rejected) and (error.result, error.source, error.reason) == (
        said.result,
        said.source,
        said.reason,
    )
