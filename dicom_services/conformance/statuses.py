"""Section 7.3.2: the statuses that each service sends, and what the node makes of those it receives."""

from collections.abc import Sequence

from dicom_services.conformance.document import Section, status, table
from dicom_services.dimse.status import Status
from dicom_services.scp import association
from dicom_services.scp.notification import mpps
from dicom_services.scp.query import find as query
from dicom_services.scp.retrieval import retrieve
from dicom_services.scp.storage.store import StoreStatus
from dicom_services.scu.outcome import Outcome, of_status

Meanings = Sequence[tuple[int, str]]

EVERY_SERVICE: Meanings = (
    (association.NOT_AUTHORIZED, "The caller may not use this service"),
    (association.SOP_CLASS_NOT_SUPPORTED, "The request does not fit the SOP class of its presentation context"),
    (association.UNRECOGNIZED_OPERATION, "No service of the node knows the request"),
)

STORE: Meanings = (
    (StoreStatus.SUCCESS, "The object is durable"),
    (StoreStatus.OUT_OF_RESOURCES, "The disk is full, below `storage.min_free_mb`, or cannot be written"),
    (StoreStatus.DATASET_MISMATCH, "UIDs of command and data set differ, or a UID is missing or not valid"),
    (StoreStatus.CANNOT_UNDERSTAND, "The data set cannot be read, or the command holds no valid UIDs"),
    (StoreStatus.CLASS_NOT_SUPPORTED, "The SOP class is not the one of the presentation context"),
)

FIND: Meanings = (
    (query.PENDING, "One match; every key is supported"),
    (query.PENDING_KEYS_UNSUPPORTED, "One match; an optional key is not supported"),
    (query.SUCCESS, "All matches were sent, also when there are none"),
    (query.CANCELLED, "Ended by C-CANCEL"),
    (query.OUT_OF_RESOURCES, "The catalogue does not answer, or there are more matches than the caller may get"),
    (query.IDENTIFIER_MISMATCH, "Level unknown, a unique key above the level missing, or a value too long"),
    (query.UNABLE_TO_PROCESS, "The identifier cannot be read, or is beyond a limit"),
)

RETRIEVE: Meanings = (
    (query.SUCCESS, "Everything was delivered, also when nothing matched"),
    (query.PENDING, "Sub-operations go on"),
    (retrieve.SOME_FAILED, "Some sub-operations failed (Failed SOP Instance UID List), or warned"),
    (retrieve.SUBOPERATIONS_FAILED, "All sub-operations failed, or the destination does not answer"),
    (retrieve.DESTINATION_UNKNOWN, "C-MOVE: the destination is no configured peer, or goes by another AE title"),
    (query.CANCELLED, "Ended by C-CANCEL, with the counts so far"),
    (retrieve.MATCHES_UNKNOWN, "The catalogue does not answer"),
    (query.IDENTIFIER_MISMATCH, "Level unknown, or a unique key missing"),
    (query.UNABLE_TO_PROCESS, "The identifier cannot be read, or too many objects match"),
)

MPPS: Meanings = (
    (Status.SUCCESS, "The step is kept"),
    (Status.MISSING_ATTRIBUTE, "Performed Procedure Step Status or Scheduled Step Attributes Sequence is missing"),
    (Status.MISSING_ATTRIBUTE_VALUE, "A scheduled step names no Study Instance UID"),
    (Status.INVALID_ATTRIBUTE_VALUE, "An unknown state, a step that does not begin IN PROGRESS, or a UID that is none"),
    (Status.INVALID_ARGUMENT_VALUE, "The SOP Instance UID of the command is none"),
    (Status.DUPLICATE_SOP_INSTANCE, "N-CREATE: the step exists"),
    (Status.NO_SUCH_SOP_INSTANCE, "N-SET: the step is not known"),
    (
        Status.PROCESSING_FAILURE,
        f"The data set cannot be read; with Error ID {status(mpps.MAY_NO_LONGER_BE_UPDATED)}: the step has ended",
    ),
    (Status.RESOURCE_LIMITATION, "The catalogue does not answer"),
)

AVAILABILITY: Meanings = (
    (Status.SUCCESS, "The notification was taken"),
    (Status.MISSING_ATTRIBUTE, "Study, series or instances are not named"),
    (Status.INVALID_ATTRIBUTE_VALUE, "A UID that is none"),
    (Status.INVALID_ARGUMENT_VALUE, "The SOP Instance UID of the command is none"),
    (Status.PROCESSING_FAILURE, "The data set cannot be read"),
    (Status.RESOURCE_LIMITATION, "The catalogue does not answer"),
)

ACTION: Meanings = (
    (Status.SUCCESS, "The request is durable; its report will come"),
    (Status.NO_SUCH_SOP_INSTANCE, "Not the well-known SOP instance"),
    (Status.NO_SUCH_ACTION, "Another action type"),
    (Status.INVALID_ARGUMENT_VALUE, "Transaction UID or referenced objects are missing or no UIDs"),
    (Status.PROCESSING_FAILURE, "The data set cannot be read"),
    (Status.RESOURCE_LIMITATION, "Too many objects, or the catalogue is behind or does not answer"),
)

EVENT_REPORT: Meanings = (
    (Status.SUCCESS, "The report was taken"),
    (Status.NO_SUCH_EVENT_TYPE, "Another event type"),
    (Status.INVALID_ARGUMENT_VALUE, "UIDs are missing or none, or the transaction is not known"),
    (Status.PROCESSING_FAILURE, "The data set cannot be read"),
    (Status.RESOURCE_LIMITATION, "The catalogue does not answer"),
)

_CONSEQUENCE = {
    Outcome.DELIVERED: "delivered",
    Outcome.TRANSIENT: "sent again after a growing pause",
    Outcome.PERMANENT: "given up, and listed for the administrator",
}
_RECEIVED = (0x0000, 0xB000, 0xB006, 0xB007, 0x0110, 0x0111, 0x0122, 0x0124, 0x0213, 0xA700, 0xA900, 0xC000)

_OTHERS_RECEIVED = """\
C-MOVE and C-GET count 0x0000 as completed, 0xB000, 0xB006 and 0xB007 as completed with a warning, everything else as
failed. A peer that answers a storage commitment report with anything but 0x0000 is given it again later. Every other
final status than success of C-ECHO, C-FIND and N-ACTION is a failure that is told to the operator or logged."""


def status_codes() -> tuple[Section, ...]:
    """Return the sections of 7.3.2."""
    sent: Sequence[tuple[str, Meanings]] = (
        ("Every Service", EVERY_SERVICE),
        ("Verification: C-ECHO as SCP", ((Status.SUCCESS, "The node is there"),)),
        ("Storage: C-STORE as SCP", STORE),
        ("Query/Retrieve: C-FIND as SCP", FIND),
        ("Query/Retrieve: C-MOVE and C-GET as SCP", RETRIEVE),
        ("Modality Performed Procedure Step: N-CREATE and N-SET as SCP", MPPS),
        ("Instance Availability Notification: N-CREATE as SCP", AVAILABILITY),
        ("Storage Commitment: N-ACTION as SCP", ACTION),
        ("Storage Commitment: N-EVENT-REPORT as SCU", EVENT_REPORT),
    )
    return (*(Section(title, (_table(rows),)) for title, rows in sent), Section("Received as SCU", _received()))


def _table(rows: Meanings) -> str:
    return table(("Status", "When"), [(status(number), when) for number, when in rows])


def _received() -> tuple[str, ...]:
    rows = [(status(number), _CONSEQUENCE[of_status(number)]) for number in _RECEIVED]
    return "A pushed object, by the status of its C-STORE:", table(("Status", "The object is"), rows), _OTHERS_RECEIVED
