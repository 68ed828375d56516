"""SOP classes, transfer syntaxes, roles and extended negotiation, as the server's own table states them."""

from collections.abc import Iterable, Sequence

from pydicom.uid import UID

from dicom_services.commitment_messages import SOP_CLASS_UID as COMMITMENT
from dicom_services.conformance.document import Section, code, table
from dicom_services.contexts import (
    NOTIFICATIONS,
    QUERY_RETRIEVE,
    STORAGE,
    STORED_TRANSFER_SYNTAXES,
    TABLE,
    UNCOMPRESSED,
    Row,
    Service,
    offer,
)
from dicom_services.scu import find, get, move
from dicom_services.scu.association import LITTLE_ENDIAN
from dicom_services.sr import uids
from radir_node.settings import VERBS

TRANSFER_SYNTAX_LISTS = {UNCOMPRESSED: "U", STORED_TRANSFER_SYNTAXES: "S", LITTLE_ENDIAN: "L"}

EXTENDED = {
    Service.FIND: (
        "Relational queries",
        "Combined date and time matching",
        "Fuzzy semantic matching of person names",
        "Timezone query adjustment",
        "Enhanced multi-frame image conversion",
        "Empty value matching",
        "Multiple value matching",
    ),
    Service.MOVE: ("Relational retrieval", "Enhanced multi-frame image conversion"),
    Service.GET: ("Relational retrieval", "Enhanced multi-frame image conversion"),
}
"""What the bytes of the service class application information mean (PS3.4 C.5.1.1, C.5.2.1, C.5.3.1)."""

_NEWER_NAMES = {
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.1": "Waveform Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
}
"""Of SOP classes that are not in pydicom's dictionary yet."""

_INITIATED: tuple[tuple[str, str, str, str], ...] = (
    ("1.2.840.10008.1.1", "SCU", "L", "Asking whether a peer is there"),
    ("Storage class of each object", "SCU", "as stored; L too for a class with other objects", "Push, C-MOVE"),
    (COMMITMENT, "SCU", "L", "Asking the archive to keep what was pushed"),
    (COMMITMENT, "SCP by role selection", "L", "Reporting to a peer that asked"),
    (find.STUDY_ROOT_FIND, "SCU", "L", "Counting a study at the archive; finding what it holds"),
    (move.STUDY_ROOT_MOVE, "SCU", "L", "Letting the archive deliver what the node no longer keeps"),
    (get.STUDY_ROOT_GET, "SCU", "L", "Fetching what the node no longer keeps"),
    ("Storage class of each object", "SCP by role selection", "as stored, L", "C-GET sub-operations of the archive"),
)


def content_and_transfer() -> str:
    """Return the table of the storage classes."""
    rows = [
        (_name(row), code(row.sop_class_uid), "Y" if row.sop_class_uid == uids.SOP_CLASS_UID else "N", "Y", "Y")
        for row in STORAGE
    ]
    return table(("SOP class", "UID", "Created", "Received (SCP)", "Sent (SCU)"), rows)


def dimse_services() -> Sequence[Section]:
    """Return the tables of everything beside storage."""
    verification = [row for row in TABLE if row.service is Service.ECHO]
    commit = [row for row in NOTIFICATIONS if row.service is Service.COMMITMENT]
    workflow = [row for row in NOTIFICATIONS if row.service is not Service.COMMITMENT]
    return (
        Section("Verification", (_services(verification, scu=True),)),
        Section("Transfer", ("The storage classes of 1.1, and:", _services(commit, scu=True))),
        Section("Workflow Management", (_services(workflow, scu=False),)),
        Section("Query/Retrieve", (_query_retrieve(),)),
        Section("Print Management", ("Not supported.",)),
    )


def accepted() -> str:
    """Return the presentation contexts of associations that the node accepts."""
    rows = [
        (_name(row), code(row.sop_class_uid), row.service, roles(row), TRANSFER_SYNTAX_LISTS[row.transfer_syntax_uids])
        for row in TABLE
    ]
    return table(("SOP class", "UID", "Service", "Role of the node", "Transfer syntaxes"), rows)


def roles(row: Row) -> str:
    """Return the roles of the node on an association that it accepts."""
    return "SCP; SCU by role selection" if row.scu else "SCP"


def initiated() -> str:
    """Return the presentation contexts of associations that the node opens."""
    rows = [(_named(uid), role, syntaxes, why) for uid, role, syntaxes, why in _INITIATED]
    return table(("SOP class", "Role of the node", "Transfer syntaxes", "Real-world activity"), rows)


def transfer_syntaxes() -> Iterable[str]:
    """Yield the lists that the tables refer to."""
    for syntaxes, name in TRANSFER_SYNTAX_LISTS.items():
        yield f"Transfer syntaxes {name}:"
        yield table(("Name", "UID"), [(UID(uid).name, code(uid)) for uid in syntaxes])


def extended_negotiation() -> str:
    """Return what is agreed on when a caller asks for everything."""
    rows = [
        (_name(row), number, meaning, "agreed" if agreed else "declined")
        for row in QUERY_RETRIEVE
        for number, (meaning, agreed) in enumerate(_agreed(row), start=1)
    ]
    return table(("SOP class", "Byte", "Meaning", "Answer"), rows)


def _agreed(row: Row) -> list[tuple[str, int]]:
    offered = offer(row.sop_class_uid, VERBS)
    meanings = EXTENDED[row.service]
    answer = offered.extended(b"\1" * len(meanings)) if offered and offered.extended else b""
    return list(zip(meanings, answer.ljust(len(meanings), b"\0"), strict=False))


def _services(rows: Iterable[Row], *, scu: bool) -> str:
    listed = [(_name(row), code(row.sop_class_uid), "Y" if scu else "N", "Y") for row in rows]
    return table(("SOP class", "UID", "SCU", "SCP"), listed)


def _query_retrieve() -> str:
    asked = {find.STUDY_ROOT_FIND, move.STUDY_ROOT_MOVE, get.STUDY_ROOT_GET}
    rows = [
        (_name(row), code(row.sop_class_uid), "Y" if row.sop_class_uid in asked else "N", "Y") for row in QUERY_RETRIEVE
    ]
    return table(("SOP class", "UID", "SCU", "SCP"), rows)


def _name(row: Row) -> str:
    return _NEWER_NAMES.get(row.sop_class_uid, row.name)


def _named(uid: str) -> str:
    return f"{UID(uid).name}, {code(uid)}" if uid[0].isdigit() else uid
