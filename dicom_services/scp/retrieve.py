"""Answers C-MOVE and C-GET: objects go out as they are stored; the Structured Report is made when it is asked for.

Called by scp/server.py. The sub-operations are done here and not by pynetdicom, which names the wrong Move Originator,
decodes every object and answers 0xA801 for a destination that is merely down.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from pydicom.dataset import Dataset

from dicom_services.scp.exchange import Exchange, UnreadableIdentifier
from dicom_services.scp.identifier import InvalidIdentifier, parse_retrieve
from dicom_services.scp.ports import Level, QueryPort, RetrieveRequest, SimilarCasesPort, StoredObject, VirtualSeries
from dicom_services.scp.query import (
    CANCELLED,
    IDENTIFIER_MISMATCH,
    PENDING,
    SUCCESS,
    UNABLE_TO_PROCESS,
    virtual_series,
)
from dicom_services.scu.association import associate, contexts_for
from dicom_services.scu.send import describe
from dicom_services.scu.store import store, succeeded, warned
from radir_node.errors import PeerUnavailable, RadirError, TransientError
from radir_node.settings import Dicom, Peer

log = structlog.get_logger()

MATCHES_UNKNOWN = 0xA701
SUBOPERATIONS_FAILED = 0xA702
DESTINATION_UNKNOWN = 0xA801
SOME_FAILED = 0xB000

MAX_SUBOPERATIONS = 65535
"""Number of ... Sub-operations elements are US."""

_MAX_MESSAGE_ID = 65535

Send = Callable[[StoredObject, int], int]
"""(object, Message ID) -> C-STORE status."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one retrieve is to deliver."""

    objects: list[StoredObject]
    unmade: list[str]
    """SOP Instance UIDs of reports that cannot be made (any more); they count as failed sub-operations."""


@dataclass
class Tally:
    """Sub-operation counts of one retrieve (PS3.7 9.3.4.1.2)."""

    remaining: int
    completed: int = 0
    warning: int = 0
    failed_uids: list[str] = field(default_factory=list)

    def count(self, sop_instance_uid: str, status: int) -> None:
        self.remaining -= 1
        if warned(status):
            self.warning += 1
        elif succeeded(status):
            self.completed += 1
        else:
            self.failed_uids.append(sop_instance_uid)

    @property
    def status(self) -> int:
        if not self.failed_uids and not self.warning:
            return SUCCESS
        return SOME_FAILED if self.completed or self.warning else SUBOPERATIONS_FAILED

    def done(self) -> dict[str, int]:
        return {
            "NumberOfCompletedSuboperations": self.completed,
            "NumberOfFailedSuboperations": len(self.failed_uids),
            "NumberOfWarningSuboperations": self.warning,
        }

    def so_far(self) -> dict[str, int]:
        return {"NumberOfRemainingSuboperations": self.remaining, **self.done()}

    def identifier(self) -> Dataset | None:
        if not self.failed_uids:
            return None
        dataset = Dataset()
        dataset.FailedSOPInstanceUIDList = self.failed_uids
        return dataset


def answer_get(exchange: Exchange, query: QueryPort, similar: SimilarCasesPort) -> None:
    """Send the objects back over the same association."""
    plan = _plan(exchange, query, similar)
    if plan is not None:
        _deliver(exchange, plan, lambda item, number: store(exchange.association, item, number))


def answer_move(exchange: Exchange, query: QueryPort, similar: SimilarCasesPort, config: Dicom) -> None:
    """Send the objects to the destination, which must be a configured peer."""
    destination = _peer(config, str(exchange.request.MoveDestination).strip())
    if destination is None:
        exchange.respond(DESTINATION_UNKNOWN, comment="move destination is not a configured peer")
        return
    plan = _plan(exchange, query, similar)
    if plan is None:
        return
    if not plan.objects:
        _deliver(exchange, plan, lambda item, number: SUBOPERATIONS_FAILED)
        return
    originator = (exchange.calling_ae_title, int(exchange.request.MessageID))
    contexts = contexts_for((item.sop_class_uid, item.transfer_syntax_uid) for item in plan.objects)
    try:
        with associate(destination, config.ae_title, contexts) as outgoing:
            _deliver(exchange, plan, lambda item, number: store(outgoing, item, number, originator))
    except PeerUnavailable:
        log.warning("move_destination_unavailable", destination=destination.ae_title)
        _deliver(exchange, plan, lambda item, number: SUBOPERATIONS_FAILED, "move destination does not answer")


def _peer(config: Dicom, ae_title: str) -> Peer | None:
    return next((peer for peer in config.peers.values() if peer.ae_title == ae_title), None)


def _plan(exchange: Exchange, query: QueryPort, similar: SimilarCasesPort) -> Plan | None:
    """Find what to deliver; on failure answer the peer and return None."""
    try:
        request = parse_retrieve(exchange.identifier(), exchange.is_patient_root)
        plan = Plan(query.instances(request), [])
        _add_reports(plan, request, query, similar)
    except UnreadableIdentifier:
        exchange.respond(UNABLE_TO_PROCESS, comment="identifier cannot be read")
    except InvalidIdentifier as error:
        exchange.respond(IDENTIFIER_MISMATCH, comment=str(error))
    except TransientError as error:
        log.warning("retrieve_failed", error=type(error).__name__)
        exchange.respond(MATCHES_UNKNOWN, comment="the catalogue does not answer")
    else:
        if len(plan.objects) + len(plan.unmade) <= MAX_SUBOPERATIONS:
            return plan
        exchange.respond(UNABLE_TO_PROCESS, comment=f"more than {MAX_SUBOPERATIONS} objects match")
    return None


def _add_reports(plan: Plan, request: RetrieveRequest, query: QueryPort, similar: SimilarCasesPort) -> None:
    """Add the reports of similar cases that the request covers, each once; one that came back is held already."""
    held = {item.sop_instance_uid for item in plan.objects}
    covered = {
        virtual.sop_instance_uid: virtual
        for study, virtual in virtual_series(similar, request.study_instance_uids).items()
        if request.level is Level.STUDY or virtual.series_instance_uid in request.series_instance_uids
        if _is_of_patient(request, study, query)
    }
    named = request.sop_instance_uids if request.level is Level.IMAGE else covered
    for uid in dict.fromkeys(named):
        if uid in held:
            continue
        report = _made(covered[uid], similar) if uid in covered else None
        if request.level is Level.IMAGE and (report is None or report.sop_instance_uid != uid):
            report = _issued(uid, request, query, similar)
        if report is not None:
            plan.objects.append(report)
        elif covered:  # listed once, never made, and the index has moved on: no success that delivers nothing
            plan.unmade.append(uid)


def _is_of_patient(request: RetrieveRequest, study: str, query: QueryPort) -> bool:
    """Say whether the study is of the Patient ID in the request, where it names one; else nothing of it matches."""
    of_patient = RetrieveRequest(Level.STUDY, request.patient_id, (study,))
    return not request.patient_id or bool(query.instances(of_patient))


def _made(virtual: VirtualSeries, similar: SimilarCasesPort) -> StoredObject | None:
    try:
        return describe(similar.render(virtual.study_instance_uid))
    except RadirError as error:
        log.warning("similar_cases_not_rendered", error=type(error).__name__)
        return None


def _issued(uid: str, request: RetrieveRequest, query: QueryPort, similar: SimilarCasesPort) -> StoredObject | None:
    """Return the very report that an earlier query listed, under the study, series and patient of the request."""
    report = similar.issued(uid)
    if (
        report is None
        or report.study_instance_uid not in request.study_instance_uids
        or report.series_instance_uid not in request.series_instance_uids
        or not _is_of_patient(request, report.study_instance_uid, query)
    ):
        return None
    return report


def _deliver(exchange: Exchange, plan: Plan, send: Send, comment: str = "") -> None:
    """Do the sub-operations one by one, with a pending response after each, and end with the final status."""
    tally = Tally(remaining=len(plan.objects) + len(plan.unmade))
    for sop_instance_uid in plan.unmade:
        tally.count(sop_instance_uid, UNABLE_TO_PROCESS)
    first = int(exchange.request.MessageID)
    for number, item in enumerate(plan.objects, start=1):
        if exchange.cancelled:
            exchange.respond(CANCELLED, tally.identifier(), counts=tally.so_far())
            return
        if not exchange.alive:
            return
        tally.count(item.sop_instance_uid, send(item, (first + number - 1) % _MAX_MESSAGE_ID + 1))
        if tally.remaining:
            exchange.respond(PENDING, counts=tally.so_far())
    exchange.respond(tally.status, tally.identifier(), comment, tally.done())
