"""Storage commitment on associations that the node opens: reports to those who asked, requests about what was sent.

Called by the worker (jobs.REPORT, and after jobs.DELIVER); what waits is in radir_node.catalog.commitments and
.deliveries.
"""

import uuid
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager

import structlog

from dicom_services.commitment_messages import MOST_REFERENCES
from dicom_services.objects.stored_object import StoredObject, describe
from dicom_services.scu.caller import Caller
from dicom_services.scu.commitment import request_commitment
from dicom_services.scu.event_report import Report, reporting
from dicom_services.scu.verify import held_at
from radir_node.domain.commitment import CommitmentReport, FailedReference, FailureReason, SopReference
from radir_node.errors import PeerUnavailable, RadirError
from radir_node.node.node import Node
from radir_node.settings import Peer

log = structlog.get_logger()

WAIT_SECONDS = 1.0
"""For a report on the association of the request; most peers open one of their own."""


def report_commitments(node: Node, calling_ae_title: str) -> None:
    """Bring an AE title the reports that are due for it, over one association; stop at the first that it refuses."""
    peer, due = peer_of(node, calling_ae_title), node.commitments.take(calling_ae_title)
    if due is None:
        return
    try:
        with _reporting(node, peer) as report:
            while due is not None:
                report(due.report)
                node.commitments.delivered(due)  # at once: what is sent and not noted is sent again after a crash
                _log_reported(calling_ae_title, due.report)
                due = node.commitments.take(calling_ae_title)
    except RadirError as error:
        if due is not None:
            node.commitments.postponed(due, str(error))
        log.warning("commitment_not_reported", peer=calling_ae_title, reason=str(error))


def _reporting(node: Node, peer: Peer | None) -> AbstractContextManager[Report]:
    if peer is None:
        raise PeerUnavailable("dicom.peers names no peer of this AE title: it must ask on its own")
    return reporting(peer, Caller.of(node.settings.dicom))


def _log_reported(calling_ae_title: str, report: CommitmentReport) -> None:
    log.info("commitment_reported", peer=calling_ae_title, committed=len(report.committed), failed=len(report.failed))


def peer_of(node: Node, ae_title: str) -> Peer | None:
    """Return the peer of the configuration with this AE title."""
    return next((peer for peer in node.settings.dicom.peers.values() if peer.ae_title.strip() == ae_title), None)


def request_commitments(node: Node, peer: str) -> None:
    """Ask a peer of the configuration to commit to what it took; its report may come now, or to the server later.

    A peer without storage commitment is asked by C-FIND whether it has the objects. What cannot be found out now is
    asked again after the next delivery, and never in between.
    """
    known = node.settings.dicom.peers.get(peer)
    sent = node.deliveries.unconfirmed(peer, MOST_REFERENCES) if known else ()
    if known is None or not sent:
        return
    ids = [item.id for item in sent]
    found = [described for item in sent if (described := describe(node.root / item.path)) is not None]
    transaction_uid = f"2.25.{uuid.uuid4().int}"
    node.deliveries.asked(ids, transaction_uid)  # before the request: the report may be quicker than the answer
    try:
        _ask(node, known, transaction_uid, found)
    except RadirError as error:
        node.deliveries.asked(ids, "")
        log.info("commitment_not_requested", peer=peer, reason=str(error))
    else:
        log.info("commitment_requested", peer=peer, objects=len(found))


def _ask(node: Node, peer: Peer, transaction_uid: str, sent: Sequence[StoredObject]) -> None:
    caller = Caller.of(node.settings.dicom)
    references = [SopReference(item.sop_class_uid, item.sop_instance_uid) for item in sent]
    try:
        request_commitment(peer, caller, transaction_uid, references, node.deliveries.confirm, WAIT_SECONDS)
    except PeerUnavailable:
        held = held_at(peer, caller, sent)
        node.deliveries.confirm(_judged(transaction_uid, references, held))


def _judged(transaction_uid: str, references: Sequence[SopReference], held: Collection[str]) -> CommitmentReport:
    """Say what a query found in the words of storage commitment."""
    failed = [item for item in references if item.sop_instance_uid not in held]
    return CommitmentReport(
        transaction_uid,
        tuple(item for item in references if item.sop_instance_uid in held),
        tuple(FailedReference(item, FailureReason.NO_SUCH_OBJECT_INSTANCE) for item in failed),
    )
