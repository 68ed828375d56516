"""Storage Commitment Push Model as SCU: asks a peer to keep safe what the node sent to it (PS3.4 Annex J).

Called by the worker after a push. The report may come on the same association, on a later one or on one that the peer
opens: those go to the server (scp/notification/commitment.py); what comes while we wait is taken here.
"""

import time
from collections.abc import Callable, Iterable

from dicom_services.commitment_messages import (
    REQUEST_STORAGE_COMMITMENT,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    EventType,
    MalformedCommitment,
    read_report,
    request_dataset,
)
from dicom_services.dimse.command import RESPONSE, Command, CommandField, number
from dicom_services.dimse.message import Message
from dicom_services.dimse.status import Status
from dicom_services.dul.errors import ProtocolViolation, Released
from dicom_services.scu.association import LITTLE_ENDIAN, Requestor, answers, associate, status_of
from dicom_services.scu.caller import Caller
from dicom_services.scu.datasets import decoded, encoded
from radir_node.domain.commitment import CommitmentReport, SopReference
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer

CONTEXTS = [(SOP_CLASS_UID, LITTLE_ENDIAN)]

Take = Callable[[CommitmentReport], bool]
"""Takes a report; False when the node asked for no such thing."""


def request_commitment(
    peer: Peer,
    caller: Caller,
    transaction_uid: str,
    references: Iterable[SopReference],
    take: Take,
    wait_seconds: float = 5.0,
) -> bool:
    """Ask the peer to commit to objects; True when the report came within the wait and was taken.

    transaction_uid: must be remembered before the call, because the report may be quicker than the answer. Raises
    PeerUnavailable when the peer does not accept the request.
    """
    with associate(peer, caller, CONTEXTS) as requestor:
        context = requestor.context(SOP_CLASS_UID)
        asked = requestor.request(
            context,
            CommandField.N_ACTION,
            encoded(request_dataset(transaction_uid, references), context.transfer_syntax),
            RequestedSOPClassUID=SOP_CLASS_UID,
            RequestedSOPInstanceUID=SOP_INSTANCE_UID,
            ActionTypeID=REQUEST_STORAGE_COMMITMENT,
        )
        taken: set[str] = set()

        def reported(message: Message) -> None:
            taken.update(_take(requestor, message, take))

        _accepted(requestor, asked, reported)
        due = time.monotonic() + wait_seconds
        try:
            while transaction_uid not in taken and requestor.association.has_input(max(due - time.monotonic(), 0)):
                reported(requestor.receive())
        except Released:
            return transaction_uid in taken
        return transaction_uid in taken


def _accepted(requestor: Requestor, asked: int, reported: Callable[[Message], None]) -> None:
    """Wait for the answer to the request, taking the reports that come before it."""
    while not answers(message := requestor.receive(), asked):
        reported(message)
    status = status_of(message)
    if status != Status.SUCCESS:
        raise PeerUnavailable(f"{requestor.association.called_ae_title} answers N-ACTION with 0x{status:04X}")


def _take(requestor: Requestor, message: Message, take: Take) -> set[str]:
    """Answer an N-EVENT-REPORT; return the transaction UID that it was about, if it was taken."""
    if message.command.get("CommandField") != CommandField.N_EVENT_REPORT:
        requestor.association.abort()
        raise ProtocolViolation("the peer sent something else than reports and responses")
    event = message.command.get("EventTypeID")
    taken: set[str] = set()
    if event not in tuple(EventType):
        status = Status.NO_SUCH_EVENT_TYPE
    else:
        status = Status.INVALID_ARGUMENT_VALUE
        try:
            report = read_report(decoded(message, requestor.association))
        except MalformedCommitment:
            report = None
        if report is not None and take(report):
            status, taken = Status.SUCCESS, {report.transaction_uid}
    response: Command = {
        "CommandField": int(CommandField.N_EVENT_REPORT | RESPONSE),
        "MessageIDBeingRespondedTo": number(message.command, "MessageID"),
        "AffectedSOPClassUID": SOP_CLASS_UID,
        "AffectedSOPInstanceUID": SOP_INSTANCE_UID,
        "EventTypeID": event if isinstance(event, int) else 0,
        "Status": int(status),
    }
    requestor.association.send(message.context_id, response)
    return taken
