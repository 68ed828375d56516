"""The one table of SOP class x transfer syntax x role.

Read by the server (scp/server.py), the conformance statement (conformance.py) and the tests, so that what the node
accepts, says and proves is the same thing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pydicom.uid import UID
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)


class Service(StrEnum):
    """DIMSE service that a SOP class is used with."""

    ECHO = "C-ECHO"
    STORE = "C-STORE"
    FIND = "C-FIND"
    MOVE = "C-MOVE"
    GET = "C-GET"


@dataclass(frozen=True, slots=True)
class Row:
    """One SOP class that the node accepts.

    scu: the node also takes the SCU role when the peer asks for it by role selection (C-GET sub-operations,
    PS3.7 D.3.3.4).
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

TABLE = (Row(Verification, Service.ECHO, UNCOMPRESSED), *QUERY_RETRIEVE, *STORAGE)

_BY_UID = {row.sop_class_uid: row for row in TABLE}


def acceptable(requested: Iterable[PresentationContext]) -> list[PresentationContext]:
    """Return the contexts that the node accepts of those that a peer requests, to be negotiated.

    Of several transfer syntaxes in one context the peer's first is taken: it is the one in which the object lies, so
    that nothing is decompressed, or compressed with loss, on the way.
    """
    offered: dict[str, list[str]] = {}
    for context in requested:
        offered.setdefault(str(context.abstract_syntax), []).extend(map(str, context.transfer_syntax))
    return [_context(_BY_UID[uid], syntaxes) for uid, syntaxes in offered.items() if uid in _BY_UID]


def _context(row: Row, offered: list[str]) -> PresentationContext:
    known = [uid for uid in dict.fromkeys(offered) if uid in row.transfer_syntax_uids]
    context = build_context(row.sop_class_uid, known or list(row.transfer_syntax_uids))
    if row.scu:
        context.scu_role = context.scp_role = True
    return context
