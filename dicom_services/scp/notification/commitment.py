"""Storage Commitment Push Model SCP (PS3.4 Annex J): requests are kept before they are answered, reports are owed.

A report goes out over the association of the request when the caller stays on it, over the caller's next association
that negotiates storage commitment, or over one that the node opens (radir_node.node); whichever comes first. Called by
requests.py; OwedReports by association.py.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from dicom_services.commitment_messages import (
    REQUEST_STORAGE_COMMITMENT,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    EventType,
    MalformedCommitment,
    TooManyReferences,
    event_type,
    read_report,
    read_request,
    report_dataset,
)
from dicom_services.dimse.command import CommandField, Value
from dicom_services.dimse.message import Message
from dicom_services.dimse.status import Status
from dicom_services.dul.association import Association, Context
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.notification.normalized import Refused, argument, kept_already, refusing, requested_instance
from dicom_services.scp.ports import CommitmentPort, CompletionPort, Level, QueryPort, RetrieveRequest
from radir_node.domain.commitment import CommitmentRequest, DueReport
from radir_node.domain.study import Evidence
from radir_node.errors import TransientError

log = structlog.get_logger()

PATIENCE_SECONDS = 20.0
"""How long a request may wait until everything that was acknowledged before it is registered."""

_FIRST_MESSAGE_ID, _LAST_MESSAGE_ID = 0x8000, 0xFFFF
"""Of the node's own requests here: apart from those of C-STORE sub-operations on the same association."""


def answer_action(
    exchange: Exchange,
    commitments: CommitmentPort,
    completion: CompletionPort,
    query: QueryPort,
    flush: Callable[[], bool],
) -> None:
    """Answer an N-ACTION: success when the request is durable, with its report still to come."""
    with refusing(exchange):
        request = _request(exchange)
        if not _caught_up(flush):
            raise Refused(Status.RESOURCE_LIMITATION, "what was received before is not registered yet")
        commitments.accept(request)
        exchange.respond(
            Status.SUCCESS, AffectedSOPInstanceUID=SOP_INSTANCE_UID, ActionTypeID=REQUEST_STORAGE_COMMITMENT
        )
        with kept_already():
            _announce(request, completion, query)


def answer_event_report(exchange: Exchange, commitments: CommitmentPort) -> None:
    """Answer an N-EVENT-REPORT: a peer says what it keeps of that which the node sent to it."""
    with refusing(exchange):
        if argument(exchange, "EventTypeID") not in tuple(EventType):
            raise Refused(Status.NO_SUCH_EVENT_TYPE, "EventTypeID")
        try:
            report = read_report(exchange.identifier())
        except MalformedCommitment as error:
            raise Refused(Status.INVALID_ARGUMENT_VALUE, str(error)) from None
        if not commitments.confirm(exchange.calling_ae_title, report):
            raise Refused(Status.INVALID_ARGUMENT_VALUE, "TransactionUID is not known")
        log.info(
            "commitment_reported",
            calling_ae_title=exchange.calling_ae_title,
            committed=len(report.committed),
            failed=len(report.failed),
        )
        exchange.respond(Status.SUCCESS, AffectedSOPInstanceUID=SOP_INSTANCE_UID)


def _request(exchange: Exchange) -> CommitmentRequest:
    if requested_instance(exchange) != SOP_INSTANCE_UID:
        raise Refused(Status.NO_SUCH_SOP_INSTANCE, "not the Storage Commitment Push Model SOP Instance")
    if argument(exchange, "ActionTypeID") != REQUEST_STORAGE_COMMITMENT:
        raise Refused(Status.NO_SUCH_ACTION, "ActionTypeID")
    try:
        transaction_uid, references = read_request(exchange.identifier())
    except TooManyReferences as error:
        raise Refused(Status.RESOURCE_LIMITATION, str(error)) from None
    except MalformedCommitment as error:
        raise Refused(Status.INVALID_ARGUMENT_VALUE, str(error)) from None
    return CommitmentRequest(transaction_uid, exchange.calling_ae_title, references)


def _caught_up(flush: Callable[[], bool]) -> bool:
    """Wait until the catalogue holds what was acknowledged: to report it as missing would be wrong."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not flush():
        if time.monotonic() > deadline:
            return False
    return True


def _announce(request: CommitmentRequest, completion: CompletionPort, query: QueryPort) -> None:
    """A request that covers all that is here of a study says that its sender has sent it all."""
    asked = {reference.sop_instance_uid for reference in request.references}
    held: dict[str, set[str]] = defaultdict(set)
    for item in query.instances(RetrieveRequest(Level.IMAGE, sop_instance_uids=tuple(asked))):
        held[item.study_instance_uid].add(item.sop_instance_uid)
    if sum(map(len, held.values())) < len(asked):
        return  # what is not here may belong to any of the studies
    for study, uids in held.items():
        whole = query.instances(RetrieveRequest(Level.STUDY, study_instance_uids=(study,)))
        if uids == {item.sop_instance_uid for item in whole}:
            completion.announce_complete(study, uids, Evidence.COMMITMENT)


class OwedReports:
    """The reports that are owed to the caller of one association, sent over it one at a time while it is silent.

    Implements association.Notices.
    """

    def __init__(
        self, association: Association, context: Context, commitments: CommitmentPort, own_ae_title: str
    ) -> None:
        self._association = association
        self._context = context
        self._commitments = commitments
        self._own_ae_title = own_ae_title
        self._message_id = _FIRST_MESSAGE_ID
        self._sent: DueReport | None = None
        self._is_welcome = True
        """The caller has refused no report here: what waits for its next try need not wait."""

    def pause(self) -> None:
        """The caller is silent: send it the next report, if there is one. Raises AssociationEnded."""
        if self._sent is None and self._association.established:
            self._tell()

    def response(self, message: Message) -> None:
        """The caller has answered a report; send it the next one. Raises AssociationEnded."""
        if self._sent is None or message.command.get("MessageIDBeingRespondedTo") != self._message_id:
            return
        due, self._sent = self._sent, None
        status = message.command.get("Status")
        with _unsettled():
            if status == Status.SUCCESS:
                self._commitments.delivered(due)
            else:
                self._is_welcome = False
                self._commitments.postponed(due, f"the peer answered {_hex(status)}")
        self._tell()

    def close(self) -> None:
        """The association is over: what was not answered is delivered another way."""
        if self._sent is not None:
            with _unsettled():
                self._commitments.postponed(self._sent, "the association ended before the peer answered")

    def _tell(self) -> None:
        caller = self._association.calling_ae_title
        try:
            if self._is_welcome:
                self._commitments.hasten(caller)
            self._sent = self._commitments.take(caller)
        except TransientError as error:
            log.warning("reports_not_read", error=type(error).__name__)
        if self._sent is not None:
            self._send(self._sent)

    def _send(self, due: DueReport) -> None:
        self._message_id = max(_FIRST_MESSAGE_ID, (self._message_id + 1) & _LAST_MESSAGE_ID)
        syntax = UID(self._context.transfer_syntax)
        dataset = report_dataset(due.report, self._own_ae_title)
        data = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        command: dict[str, Value] = {
            "CommandField": int(CommandField.N_EVENT_REPORT),
            "MessageID": self._message_id,
            "AffectedSOPClassUID": SOP_CLASS_UID,
            "AffectedSOPInstanceUID": SOP_INSTANCE_UID,
            "EventTypeID": int(event_type(due.report)),
        }
        self._association.send(self._context.context_id, command, data)


def owed_reports(association: Association, commitments: CommitmentPort, own_ae_title: str) -> OwedReports | None:
    """Return what is owed over an association; None when the caller does not take reports on it."""
    for context in association.contexts.values():
        if context.abstract_syntax == SOP_CLASS_UID and context.as_scp:
            return OwedReports(association, context, commitments, own_ae_title)
    return None


@contextmanager
def _unsettled() -> Iterator[None]:
    """Note that the outcome of a report could not be recorded: its hold runs out, and it is delivered again."""
    try:
        yield
    except TransientError as error:
        log.warning("report_not_settled", error=type(error).__name__)


def _hex(status: object) -> str:
    return f"0x{status:04X}" if isinstance(status, int) else "without a status"
