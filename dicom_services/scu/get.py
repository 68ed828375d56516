"""C-GET as SCU, Study Root: fetches objects over the association that asks for them. Called by scp/retrieval."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from pydicom.dataset import Dataset

from dicom_services.dimse.command import RESPONSE, Command, CommandField, number, text
from dicom_services.dimse.message import Message, Sink
from dicom_services.dul.association import Context
from dicom_services.dul.errors import ProtocolViolation
from dicom_services.dul.requestor import SCP_ALONE
from dicom_services.scu.association import LITTLE_ENDIAN, MEDIUM, Requestor, answers, contexts_for
from dicom_services.scu.datasets import encoded
from dicom_services.scu.suboperations import Retrieved, SubOperations, Watch, Watched

STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"


class Receiver(Protocol):
    """Takes the objects that come, one after the other."""

    def begin(self, context: Context, command: Command) -> Sink:
        """Return where the data set of this C-STORE goes."""
        ...

    def finish(self) -> int:
        """The data set is complete: return the status of its C-STORE."""
        ...


def contexts(objects: Iterable[tuple[str, str]]) -> list[tuple[str, Sequence[str]]]:
    """Propose C-GET, and the storage of (SOP class UID, transfer syntax UID) pairs."""
    return [(STUDY_ROOT_GET, LITTLE_ENDIAN), *contexts_for(objects)]


def roles(sop_classes: Iterable[str]) -> dict[str, tuple[bool, bool]]:
    """Ask for the SCP role of the storage classes (PS3.7 D.3.3.4): the peer is to send."""
    return dict.fromkeys(sop_classes, SCP_ALONE)


def _never(counts: SubOperations) -> bool:
    return False


def get(requestor: Requestor, identifier: Dataset, receiver: Receiver, watch: Watch = _never) -> Retrieved:
    """Fetch what the identifier names; return the final response.

    Raises PeerUnavailable when the association ends before it; what the receiver has finished stays.
    """
    context = requestor.context(STUDY_ROOT_GET)
    query = encoded(identifier, context.transfer_syntax)
    asked = requestor.request(context, CommandField.C_GET, query, AffectedSOPClassUID=STUDY_ROOT_GET, Priority=MEDIUM)
    watched = Watched(requestor, context, asked, watch)

    def open_sink(context_id: int, command: Command) -> Sink | None:
        if command.get("CommandField") != CommandField.C_STORE:
            return None
        return receiver.begin(requestor.association.contexts[context_id], command)

    while True:
        message = requestor.receive(watched.idle, open_sink)
        if message.command.get("CommandField") == CommandField.C_STORE:
            _answer(requestor, message, receiver.finish())
            watched.idle()
        elif not answers(message, asked):
            requestor.association.abort()
            raise ProtocolViolation("the peer sent something else than objects and responses")
        elif (outcome := watched.take(message)) is not None:
            return outcome


def _answer(requestor: Requestor, message: Message, status: int) -> None:
    response: Command = {
        "CommandField": int(CommandField.C_STORE | RESPONSE),
        "MessageIDBeingRespondedTo": number(message.command, "MessageID"),
        "AffectedSOPClassUID": text(message.command, "AffectedSOPClassUID"),
        "AffectedSOPInstanceUID": text(message.command, "AffectedSOPInstanceUID"),
        "Status": status,
    }
    requestor.association.send(message.context_id, response)
