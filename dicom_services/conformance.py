"""Writes the DICOM Conformance Statement from the tables that the server runs on.

`python -m dicom_services.conformance` writes CONFORMANCE.md beside this file; a test compares the two, another opens
associations over every row. Outline: PS3.2 Annex N, as far as it applies.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag
from pydicom.uid import UID

from dicom_services.contexts import STORED_TRANSFER_SYNTAXES, TABLE, UNCOMPRESSED, Row, Service
from dicom_services.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_services.scp import query, retrieve
from dicom_services.scp.identifier import KEYS, UNIQUE
from dicom_services.scp.ports import Level
from dicom_services.scp.receive import StoreStatus
from dicom_services.scu.association import CONNECT_SECONDS, MAX_CONTEXTS, RESPONSE_SECONDS
from dicom_services.sr import codes, uids
from radir_node.settings import Dicom

STATEMENT = Path(__file__).with_name("CONFORMANCE.md")

_SETS: Mapping[tuple[str, ...], str] = {UNCOMPRESSED: "U", STORED_TRANSFER_SYNTAXES: "S"}

_STATUSES: tuple[tuple[str, int, str], ...] = (
    ("C-STORE", StoreStatus.SUCCESS, "The file is fsynced under its final name, its row and job are committed"),
    ("C-STORE", StoreStatus.OUT_OF_RESOURCES, "Storage is full or cannot be written, or the catalogue does not answer"),
    ("C-STORE", StoreStatus.DATASET_MISMATCH, "UIDs of command and dataset differ, or a UID is missing or not valid"),
    ("C-STORE", StoreStatus.CANNOT_UNDERSTAND, "The dataset cannot be read, or the command holds no valid UIDs"),
    ("C-FIND", query.PENDING, "One match; every key is supported"),
    ("C-FIND", query.PENDING_KEYS_UNSUPPORTED, "One match; an optional key is not supported"),
    ("C-FIND", query.SUCCESS, "All matches were sent, also when there are none"),
    ("C-FIND", query.CANCELLED, "Ended by C-CANCEL"),
    ("C-FIND", query.OUT_OF_RESOURCES, "The catalogue does not answer"),
    ("C-FIND", query.IDENTIFIER_MISMATCH, "Level unknown, or a unique key above the level is missing"),
    ("C-FIND", query.UNABLE_TO_PROCESS, "The identifier cannot be read"),
    ("C-MOVE, C-GET", query.SUCCESS, "Everything was delivered, also when nothing matched"),
    ("C-MOVE, C-GET", query.PENDING, "One sub-operation done, more to come"),
    ("C-MOVE, C-GET", retrieve.SOME_FAILED, "Some sub-operations failed (Failed SOP Instance UID List) or warned"),
    ("C-MOVE, C-GET", retrieve.SUBOPERATIONS_FAILED, "All sub-operations failed, or the destination does not answer"),
    ("C-MOVE", retrieve.DESTINATION_UNKNOWN, "The destination is not a configured peer"),
    ("C-MOVE, C-GET", query.CANCELLED, "Ended by C-CANCEL"),
    ("C-MOVE, C-GET", retrieve.MATCHES_UNKNOWN, "The catalogue does not answer"),
    ("C-MOVE, C-GET", query.IDENTIFIER_MISMATCH, "A unique key at or above the level is missing"),
    ("C-MOVE, C-GET", query.UNABLE_TO_PROCESS, "The identifier cannot be read, or too many objects match"),
)

_OVERVIEW = """\
RadIR node receives studies and their reports from a PACS, indexes chest radiographs and chest CT, and answers "cases
like this one" with a Structured Report inside the study that was asked about. It is for research and education, not
for primary diagnosis. This statement is generated from the tables that the server runs on."""

_SERVICES = """\
| Service | Role | Real-world activity |
|---|---|---|
| Verification | SCP, SCU | Answers C-ECHO; asks a peer whether it is there |
| Storage | SCP | Stores every object bit-preserving; what cannot be indexed is kept and listed with the reason |
| Storage | SCU | Pushes reports to a configured peer; C-MOVE and C-GET sub-operations |
| Query/Retrieve, Study Root and Patient Root | SCP | Answers literally from what the node holds |

A SOP class or transfer syntax that is offered and not accepted is listed for the administrator with the sender's AE
title. Extended negotiation, asynchronous operations and user identity are not negotiated. Role selection is accepted
for the storage classes, which C-GET needs."""

_QUERY_NOTES = """\
Matching: single value, list of UID, universal, wild card (`*`, `?`) and range (DA, TM). Person names match without
regard to case. Relational queries, fuzzy matching and private keys are not supported; sequences are ignored. Responses
use ISO_IR 192 when a value is not ASCII. C-CANCEL is honoured after each response. A query is never answered with
studies of a patient who was not asked for.

Inside each indexed study the series level shows one more series, Modality SR, "{series}", Instance Availability
NEARLINE. Its Structured Report is computed when it is retrieved, at study, series or image level. Asked again while
model and index are unchanged, it has the same SOP Instance UID. At image level a report that was retrieved before is
delivered again under its own SOP Instance UID, whatever the index holds now; one that was listed and never made before
the index changed counts as a failed sub-operation, never as another report.

C-MOVE sub-operations name the requester as Move Originator and go to configured peers only. Objects go out in the
transfer syntax in which they are stored when the receiver accepts it, else decompressed in little endian, else they
count as failed."""

_REPORT_NOTES = """\
SOP class {sop_class} ({name}), content by TID 2000, title {title}. Completion Flag COMPLETE, Verification Flag
UNVERIFIED, Preliminary Flag PRELIMINARY; the observer is a device whose UID changes with the model. Patient and study
are copied from the query images, which alone are in the evidence. Series Number {number}. Other patients appear by case
pseudonym, sex, decade of age and year of study: never by a UID, a name, a date or a number of theirs. SOP Instance UID:
under 2.25, a hash of study, question, filters, model and index snapshot.

Coding scheme {scheme} ("{scheme_name}", version {version}):"""

_LIMITS = f"""\
One outgoing association proposes {MAX_CONTEXTS} contexts at most. Outgoing connections are given up after
{CONNECT_SECONDS} s, responses after {RESPONSE_SECONDS} s. One retrieve delivers {retrieve.MAX_SUBOPERATIONS} objects
at most."""

_SECURITY = """\
TLS and per-caller permissions are not part of this version: the server listens on the loopback address unless
configured otherwise. Logs hold AE titles, counts and statuses, never patient identifiers or instance UIDs. UIDs are
checked before use; file names are hashes of content."""


def statement() -> str:
    """Return the whole statement as Markdown."""
    sections: Sequence[tuple[str, Iterable[str]]] = (
        ("Overview", [_OVERVIEW]),
        ("Services", [_SERVICES]),
        ("Implementation identification", [_identification()]),
        ("Presentation contexts", _contexts()),
        ("Query/Retrieve", [_QUERY_NOTES.format(series=uids.SERIES_DESCRIPTION), *_keys()]),
        ("Statuses", [_table(("Service", "Status", "Meaning"), [(s, f"0x{n:04X}", m) for s, n, m in _STATUSES])]),
        ("Similar-case report", _report()),
        ("Configuration and limits", [_settings(), _LIMITS]),
        ("Security", [_SECURITY]),
    )
    parts = ["# RadIR node: DICOM Conformance Statement"]
    for number, (title, blocks) in enumerate(sections, start=1):
        parts += [f"## {number}. {title}", *blocks]
    return "\n\n".join(parts) + "\n"


def _identification() -> str:
    return _table(
        ("Item", "Value"),
        [
            ("Implementation Class UID", f"`{IMPLEMENTATION_CLASS_UID}`"),
            ("Implementation Version Name", IMPLEMENTATION_VERSION_NAME),
        ],
    )


def _contexts() -> Iterable[str]:
    yield (
        "Roles are those of the node. S and U name the lists of transfer syntaxes below; of several in one context the "
        "node takes the one that the peer names first."
    )
    rows = [
        (row.name, f"`{row.sop_class_uid}`", row.service, _role(row), _SETS[row.transfer_syntax_uids]) for row in TABLE
    ]
    yield _table(("SOP class", "UID", "Service", "Role", "Transfer syntaxes"), rows)
    for syntaxes, name in _SETS.items():
        yield f"Transfer syntaxes {name}:"
        yield _table(("Name", "UID"), [(UID(uid).name, f"`{uid}`") for uid in syntaxes])


def _role(row: Row) -> str:
    return "SCP, SCU" if row.scu or row.service is Service.ECHO else "SCP"


def _keys() -> Iterable[str]:
    yield "Keys of each level; at a lower level those of the levels above it are supported too."
    rows = [
        (
            level,
            keyword,
            str(Tag(keyword)),
            dictionary_VR(keyword),
            "unique" if keyword == UNIQUE[level] else "optional",
        )
        for level in Level
        for keyword in KEYS[level]
    ]
    yield _table(("Level", "Attribute", "Tag", "VR", "Key"), rows)


def _report() -> Iterable[str]:
    title = codes.DIAGNOSTIC_IMAGING_REPORT
    yield _REPORT_NOTES.format(
        sop_class=f"`{uids.SOP_CLASS_UID}`",
        name=UID(uids.SOP_CLASS_UID).name,
        title=f'({title.value}, {title.scheme}, "{title.meaning}")',
        number=uids.SERIES_NUMBER,
        scheme=codes.PRIVATE_SCHEME,
        scheme_name=codes.PRIVATE_SCHEME_NAME,
        version=codes.PRIVATE_SCHEME_VERSION,
    )
    rows = [(code.value, code.meaning, definition) for code, definition in codes.PRIVATE_CODES.items()]
    yield _table(("Code", "Meaning", "Definition"), rows)


def _settings() -> str:
    rows = [
        (f"`dicom.{name}`", f"`{field.get_default(call_default_factory=True)!r}`", _one_line(field.description or ""))
        for name, field in Dicom.model_fields.items()
    ]
    return _table(("Key", "Default", "Meaning"), rows)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


if __name__ == "__main__":
    STATEMENT.write_text(statement(), encoding="utf-8")
