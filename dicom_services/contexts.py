"""The one table of SOP class x transfer syntax x role.

Read by the server (scp/reception.py, scp/association.py), the conformance statement (conformance/) and the tests, so
that what the node accepts, says and proves is the same thing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydicom.uid import UID
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.sop_class import (
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from dicom_services.dul.acceptance import Offer
from radir_node.settings import Verb


class Service(StrEnum):
    """DIMSE service that a SOP class is used with."""

    ECHO = "C-ECHO"
    STORE = "C-STORE"
    FIND = "C-FIND"
    MOVE = "C-MOVE"
    GET = "C-GET"
    COMMITMENT = "Storage Commitment"
    MPPS = "Modality Performed Procedure Step"
    AVAILABILITY = "Instance Availability Notification"


@dataclass(frozen=True, slots=True)
class Row:
    """One SOP class that the node accepts.

    scu: the node also takes the SCU role when the peer asks for it by role selection (PS3.7 D.3.3.4): for C-GET
    sub-operations, and for a storage commitment report that comes on an association of the archive.
    """

    sop_class_uid: str
    service: Service
    transfer_syntax_uids: tuple[str, ...]
    scu: bool = False

    @property
    def name(self) -> str:
        return UID(self.sop_class_uid).name


UNCOMPRESSED = (
    "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
    "1.2.840.10008.1.2",  # Implicit VR Little Endian
    "1.2.840.10008.1.2.2",  # Explicit VR Big Endian
    "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
)
"""What any peer can be asked to take."""

_WITHOUT_PIXELS = frozenset(
    {
        # JPIP: the object holds a web address in the place of pixels, and the node fetches from nowhere.
        "1.2.840.10008.1.2.4.94",
        "1.2.840.10008.1.2.4.95",
        "1.2.840.10008.1.2.4.204",
        "1.2.840.10008.1.2.4.205",
        # SMPTE ST 2110: real-time video streams (PS3.22), never stored objects.
        "1.2.840.10008.1.2.7.1",
        "1.2.840.10008.1.2.7.2",
        "1.2.840.10008.1.2.7.3",
    }
)

_BEYOND_THE_LIBRARY = (
    "1.2.840.10008.1.2.1.98",  # Encapsulated Uncompressed Explicit VR Little Endian
    *(f"1.2.840.10008.1.2.4.{n}" for n in (52, 53, 54, 55, 56, 58, 59, *range(60, 67))),  # retired JPEG processes
)
"""Standard transfer syntaxes that pynetdicom does not list: stored as they are, archives still hold them."""

STORED_TRANSFER_SYNTAXES = (
    *UNCOMPRESSED,
    *(uid for uid in ALL_TRANSFER_SYNTAXES if uid not in _WITHOUT_PIXELS and uid not in UNCOMPRESSED),
    *_BEYOND_THE_LIBRARY,
)

RETIRED_STORAGE = (
    "1.2.840.10008.5.1.4.1.1.3",  # Ultrasound Multi-frame
    "1.2.840.10008.5.1.4.1.1.5",  # Nuclear Medicine
    "1.2.840.10008.5.1.4.1.1.6",  # Ultrasound
    "1.2.840.10008.5.1.1.29",  # Hardcopy Grayscale
    "1.2.840.10008.5.1.1.30",  # Hardcopy Color
    "1.2.840.10008.5.1.4.1.1.8",  # Standalone Overlay
    "1.2.840.10008.5.1.4.1.1.9",  # Standalone Curve
    "1.2.840.10008.5.1.4.1.1.10",  # Standalone Modality LUT
    "1.2.840.10008.5.1.4.1.1.11",  # Standalone VOI LUT
    "1.2.840.10008.5.1.4.1.1.12.3",  # X-Ray Angiographic Bi-Plane
    "1.2.840.10008.5.1.4.1.1.77.1",  # VL Image, trial
    "1.2.840.10008.5.1.4.1.1.77.2",  # VL Multi-frame Image, trial
    "1.2.840.10008.5.1.4.1.1.88.1",  # Text SR, trial
    "1.2.840.10008.5.1.4.1.1.88.2",  # Audio SR, trial
    "1.2.840.10008.5.1.4.1.1.88.3",  # Detail SR, trial
    "1.2.840.10008.5.1.4.1.1.88.4",  # Comprehensive SR, trial
    "1.2.840.10008.5.1.4.1.1.129",  # Standalone PET Curve
)
"""Retired storage classes: old archives send them together with the images of a study."""

STORAGE = tuple(
    Row(uid, Service.STORE, STORED_TRANSFER_SYNTAXES, scu=True)
    for uid in (*(str(cx.abstract_syntax) for cx in AllStoragePresentationContexts), *RETIRED_STORAGE)
)

QUERY_RETRIEVE = (
    Row(StudyRootQueryRetrieveInformationModelFind, Service.FIND, UNCOMPRESSED),
    Row(PatientRootQueryRetrieveInformationModelFind, Service.FIND, UNCOMPRESSED),
    Row(StudyRootQueryRetrieveInformationModelMove, Service.MOVE, UNCOMPRESSED),
    Row(PatientRootQueryRetrieveInformationModelMove, Service.MOVE, UNCOMPRESSED),
    Row(StudyRootQueryRetrieveInformationModelGet, Service.GET, UNCOMPRESSED),
    Row(PatientRootQueryRetrieveInformationModelGet, Service.GET, UNCOMPRESSED),
)

PATIENT_ROOT = frozenset(
    {
        str(PatientRootQueryRetrieveInformationModelFind),
        str(PatientRootQueryRetrieveInformationModelMove),
        str(PatientRootQueryRetrieveInformationModelGet),
    }
)

NOTIFICATIONS = (
    Row(StorageCommitmentPushModel, Service.COMMITMENT, UNCOMPRESSED, scu=True),
    Row(ModalityPerformedProcedureStep, Service.MPPS, UNCOMPRESSED),
    Row(InstanceAvailabilityNotification, Service.AVAILABILITY, UNCOMPRESSED),
)

TABLE = (Row(Verification, Service.ECHO, UNCOMPRESSED), *QUERY_RETRIEVE, *NOTIFICATIONS, *STORAGE)

BY_UID = {row.sop_class_uid: row for row in TABLE}

RECEIVE = frozenset({Service.ECHO, Service.STORE})
"""What a store worker serves; an association for anything else belongs to a query worker."""

_VERBS: Mapping[Service, Verb] = {
    Service.ECHO: "echo",
    Service.STORE: "store",
    Service.FIND: "find",
    Service.MOVE: "move",
    Service.GET: "get",
    Service.COMMITMENT: "commitment",
    Service.MPPS: "mpps",
    Service.AVAILABILITY: "availability",
}


def offer(sop_class_uid: str, verbs: Collection[Verb]) -> Offer | None:
    """Return what the node takes of a SOP class from a caller who may use these verbs; None when it takes nothing.

    Storage classes are also open to a caller who may only get: its sub-operations come in their contexts.
    """
    row = BY_UID.get(sop_class_uid)
    if row is None:
        return None
    permitted = _VERBS[row.service] in verbs or (row.service is Service.STORE and "get" in verbs)
    extended = _EXTENDED.get(row.service)
    return Offer(_SYNTAXES[row.transfer_syntax_uids], may_be_scu=row.scu, extended=extended, permitted=permitted)


def permits(service: Service, verbs: Collection[Verb]) -> bool:
    """Say whether a caller who may use these verbs may ask for the service."""
    return _VERBS[service] in verbs


def is_receiving(sop_class_uids: Iterable[str]) -> bool:
    """Say whether an association that proposes these classes can be served by a store worker."""
    return all(uid not in BY_UID or BY_UID[uid].service in RECEIVE for uid in sop_class_uids)


def _agree_on_find(wanted: bytes) -> bytes:
    """Answer the extended negotiation of C-FIND (PS3.4 C.5.1.1).

    Relational queries, combined date and time, empty values and multiple values; neither fuzzy names, time zones nor
    conversion of enhanced images.
    """
    answer = (_flag(wanted, 0), _flag(wanted, 1), 0, 0, 0, _flag(wanted, 5), _flag(wanted, 6))
    return bytes(answer[: max(len(wanted), 1)])


def _agree_on_retrieve(wanted: bytes) -> bytes:
    """Answer the extended negotiation of C-MOVE and C-GET (PS3.4 C.5.2.1, C.5.3.1): relational retrieval."""
    return bytes((_flag(wanted, 0), 0))[: max(len(wanted), 1)]


def _flag(wanted: bytes, at: int) -> int:
    return int(len(wanted) > at and wanted[at] == 1)


_EXTENDED: Mapping[Service, Callable[[bytes], bytes]] = {
    Service.FIND: _agree_on_find,
    Service.MOVE: _agree_on_retrieve,
    Service.GET: _agree_on_retrieve,
}

_SYNTAXES = {syntaxes: frozenset(syntaxes) for syntaxes in {row.transfer_syntax_uids for row in TABLE}}
