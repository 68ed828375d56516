"""Section 7: associations, presentation contexts, limits, deadlines and status codes."""

from dicom_services.conformance.contexts import accepted, extended_negotiation, initiated, transfer_syntaxes
from dicom_services.conformance.document import NOT_SUPPORTED, Section, code, table
from dicom_services.conformance.statuses import status_codes
from dicom_services.dul import request
from dicom_services.dul.association import ABORT_SECONDS, LONGEST_COMMAND, LONGEST_DATASET
from dicom_services.dul.connection import LONGEST
from dicom_services.dul.pdu import (
    ABSTRACT_SYNTAX_NOT_SUPPORTED,
    DICOM_APPLICATION_CONTEXT,
    TRANSFER_SYNTAXES_NOT_SUPPORTED,
    USER_REJECTION,
)
from dicom_services.dul.requestor import MAX_CONTEXTS, MAX_PDU
from dicom_services.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_services.objects.part10 import MAX_FILE_BYTES
from dicom_services.scp.reception import MOST_PENDING
from radir_node.settings import Dicom, Peer

_SEQUENCING = """\
1. Objects arrive, are acknowledged and entered in the catalogue (5.2.5.2).
2. The study becomes complete (5.6.1) and is indexed.
3. The similar-case report is listed in the study, made when it is retrieved, and pushed where that is configured.
4. After a push the archive is asked to commit to it (5.2.6.1).

Requests of storage commitment are answered at any time; their reports follow 5.2.6.2."""

_INITIATION = """\
An association is opened for one task and released after it: a push, the sub-operations of one C-MOVE, one request to
the archive, one commitment report, one C-ECHO. No roles but those of the table, no extended negotiation and no user
identity are proposed."""

_ACCEPTANCE = """\
Every presentation context is answered on its own: with result {user} where the caller may not use the service, with
{abstract} where the SOP class is not known, with {syntaxes} where none of the transfer syntaxes is. Of several transfer
syntaxes the first that the caller names and the node knows is taken. Storage classes are also open to a caller who may
only retrieve, for C-GET."""

_ROLES = """\
SCP/SCU role selection is answered for every SOP class. The SCU role is granted to the caller always; the SCP role for
the storage classes (C-GET) and for storage commitment (reports on an association that the archive opens)."""

_FAILURES = """\
- What the protocol does not allow is answered with A-ABORT and the reason (PS3.8 9.3.8): a PDU of unknown type, a
  length beyond the limits of 7.1.1, a fragment that fits no message, a context that was not accepted.
- A PDU that claims more than its limit is refused at its header, before memory is taken for it.
- Deadlines are absolute: a byte now and then does not extend them. An association that passes one is ended.
- A second request before the first is answered ends the association; asynchronous operations are not negotiated.
- An association that ends in the middle of an object leaves nothing of that object.
- An incoming association that is never requested is closed after `dicom.timeouts.request_seconds`; of more than
  {pending} such connections in one process the oldest is closed.
- A rejected or broken outgoing association: see 5.2.5.1, 5.2.6 and 5.2.7.6."""

_WHEN_REJECTED = {
    "CALLING_AE_TITLE_NOT_RECOGNIZED": "Unknown callers may do nothing (`dicom.unknown_callers`); the calling AE title "
    "is malformed, or that of a peer and comes from another address or without the peer's certificate",
    "CALLED_AE_TITLE_NOT_RECOGNIZED": "Another called AE title with `dicom.require_called_ae_title`; a malformed one",
    "APPLICATION_CONTEXT_NOT_SUPPORTED": "Another application context than DICOM's",
    "NO_REASON_GIVEN": "The peer may do nothing (`allow = []`); the user identity is missing, wrong or of a type that "
    "is not supported",
    "PROTOCOL_VERSION_NOT_SUPPORTED": "Bit 0 of the protocol version is not set",
    "TEMPORARY_CONGESTION": "No process takes the association over; the peer's host name is not resolved; too many "
    "passcodes are being checked",
    "LOCAL_LIMIT_EXCEEDED": "The node or the caller has as many associations as it may",
}


def network() -> Section:
    return Section(
        "Network and Media Communication Details",
        (),
        (
            Section("General", (), (Section("General Association Parameters", (_parameters(),)),)),
            Section("Specifications", (), (_application_entity(),)),
            Section("Status Codes", (), _statuses()),
        ),
    )


def _parameters() -> str:
    config = Dicom()
    rows = [
        ("Application Context Name", code(DICOM_APPLICATION_CONTEXT)),
        ("Implementation Class UID", code(IMPLEMENTATION_CLASS_UID)),
        ("Implementation Version Name", code(IMPLEMENTATION_VERSION_NAME)),
        ("Maximum PDU length received", f"{config.max_pdu} bytes (`dicom.max_pdu`); {MAX_PDU} when calling"),
        *((f"Longest {kind.name} accepted", f"{length} bytes") for kind, length in LONGEST.items()),
        ("Longest command set accepted", f"{LONGEST_COMMAND} bytes"),
        ("Longest data set kept in memory (every service but storage)", f"{LONGEST_DATASET >> 20} MB"),
        ("Largest object indexed", f"{MAX_FILE_BYTES >> 30} GB; larger ones are kept"),
        ("Presentation contexts in one association", f"{MAX_CONTEXTS}"),
        ("Associations at a time", f"{config.max_associations} accepted (`dicom.max_associations`)"),
        ("Associations of one peer at a time", f"{Peer.model_fields['max_associations'].default}, by peer"),
        ("Asynchronous operations", "not negotiated: one at a time"),
        ("TCP_NODELAY", "set on every socket, accepted and opened"),
        ("Abort, and waiting for the peer to close", f"{ABORT_SECONDS:g} s"),
        ("Deadlines", "see 6.1.2"),
    ]
    return table(("Parameter", "Value"), rows)


def _application_entity() -> Section:
    acceptance = _ACCEPTANCE.format(
        user=USER_REJECTION, abstract=ABSTRACT_SYNTAX_NOT_SUPPORTED, syntaxes=TRANSFER_SYNTAXES_NOT_SUPPORTED
    )
    return Section(
        "RadIR Application Entity",
        (),
        (
            Section("Sequencing of Real-World Activities", (_SEQUENCING,)),
            Section("Association Parameters", ("Those of 7.1.1.",)),
            Section("Association Initiation Policy", (_INITIATION, initiated())),
            Section(
                "Association Acceptance Policy",
                (acceptance,),
                (
                    Section("Presentation Contexts", (accepted(), *transfer_syntaxes())),
                    Section("Role Selection", (_ROLES,)),
                    Section("Extended Negotiation", (extended_negotiation(),)),
                    Section("Rejection", (_rejections(),)),
                ),
            ),
        ),
    )


def _rejections() -> str:
    rows = []
    for name, when in _WHEN_REJECTED.items():
        rejection: request.Rejection = getattr(request, name)
        rows.append((rejection.result, rejection.source, rejection.reason, rejection.why, when))
    return table(("Result", "Source", "Reason", "Name", "When"), rows)


def _statuses() -> tuple[Section, ...]:
    return (
        Section("General Communication and Failure Behaviour", (_FAILURES.format(pending=MOST_PENDING),)),
        Section("DIMSE Services", (), status_codes()),
        Section("DICOM Web Services", (NOT_SUPPORTED,)),
    )
