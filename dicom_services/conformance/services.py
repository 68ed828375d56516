"""Section 5: what each service does. Written beside the modules of scp/ and scu/ that do it."""

from dicom_services import character_sets
from dicom_services.commitment_messages import MOST_REFERENCES
from dicom_services.conformance.document import NOT_SUPPORTED, Section, code, status, table
from dicom_services.conformance.query_retrieve import query_retrieve
from dicom_services.dimse.status import Status
from dicom_services.scp import association
from dicom_services.scp.notification import availability, commitment, mpps
from dicom_services.scu.association import MAX_CONTEXTS
from radir_node.domain.commitment import FailureReason
from radir_node.domain.procedure_step import ProcedureStepState

_MPPS = f"""\
SCP, so that a study is not indexed while a modality still works on it; nothing is passed on to a RIS.

- N-CREATE keeps the step under its Affected SOP Instance UID; the node makes one where the modality leaves it out.
  Performed Procedure Step Status (0040,0252) must be {ProcedureStepState.IN_PROGRESS}, and each item of Scheduled Step
  Attributes Sequence (0040,0270) must name a Study Instance UID. Other attributes are kept and not checked.
- N-SET adds to the step until it is {ProcedureStepState.COMPLETED} or {ProcedureStepState.DISCONTINUED}; after that it
  is refused with {status(Status.PROCESSING_FAILURE)}, Error ID {status(mpps.MAY_NO_LONGER_BE_UPDATED)}.
- While a step is in progress its studies are held open, for a day at most. The instances that a completed step lists in
  Performed Series Sequence (0040,0340) are waited for; when all are here the study is complete. A step that lists none,
  and one that is discontinued, only ends the holding.
- Attributes are stored in ISO_IR 192, whatever character set they came in. N-GET is not supported."""

_IAN = f"""\
SCP. The instances of an N-CREATE are what the study consists of: when all of them are here the study is complete, and
is indexed at once. Instances that are {availability.UNAVAILABLE} are not waited for; ONLINE, NEARLINE and OFFLINE are
alike. The notification itself is not kept; the same one again is answered with success and changes nothing."""

_STORE_SCU = f"""\
The node sends similar-case reports to the peer that `dicom.push_to` names, and objects of a C-MOVE to their
destination. A push is queued in the database, survives a restart, and is tried again with growing pauses where the
failure may pass; what a peer refuses for good is listed for the administrator. One association proposes
{MAX_CONTEXTS} contexts at most, each with the one transfer syntax of the objects it is for, so that the peer's choice
for one does not decide another."""

_TRANSCODING = """\
An object is sent as stored where the peer takes that, else decompressed to Explicit or Implicit VR Little Endian, with
the same SOP Instance UID. It is never compressed."""

_STORE_SCP = """\
Every object of the classes of 1.1 is accepted in the transfer syntaxes S, of several in one context in the one that the
caller names first, and kept byte by byte as it was received. UIDs of command and data set must agree and be valid.

0x0000 means that the object is flushed to disk (fsync) under a name that a restart finds again. It is entered in the
catalogue after that, in the order received; while the database is away the node goes on receiving. A query or retrieve
waits for what its caller was acknowledged before it, a commitment request for what everybody was.

The same object again changes nothing. Other content under a known SOP Instance UID replaces the copy in force, or is
left aside (`dicom.duplicate_policy`); the older file stays on disk. Instances that arrive for a finished study reopen
it. What the catalogue cannot take is set aside with the reason and never deleted."""

_COMMIT_SCU = f"""\
After a push the node asks the archive to commit to what it took (N-ACTION, action type 1). The N-EVENT-REPORT is
accepted on the same association for a moment, and at any time on an association that the archive opens, with or without
role selection for the SCP role. A report is matched by its Transaction UID to what was pushed: committed objects count
as verified, failed ones are sent again. A report about an unknown transaction is answered with
{status(Status.INVALID_ARGUMENT_VALUE)}. An archive without storage commitment is asked by C-FIND what it has."""

_COMMIT_SCP = f"""\
N-ACTION, action type 1 (Request Storage Commitment), for the well-known SOP instance. Success means that the request is
durable; its report is owed from then on, also when every object failed. A request of more than {MOST_REFERENCES}
objects, and one that comes while the catalogue is more than {commitment.PATIENCE_SECONDS:g} s behind what was
acknowledged, is refused with {status(Status.RESOURCE_LIMITATION)}.

*Committed* means, at the time of the report: the catalogue holds the object as the copy in force, under the SOP class
that was named, and its file is on disk with its full size. The node does not read the file again for it. It deletes
nothing by itself; how long objects are kept is the operator's decision. Storage Media File-Set ID is not used.

The N-EVENT-REPORT goes out by whichever of these comes first:

1. the association of the request, when the caller has been silent on it for {association.PAUSE_SECONDS:g} s;
2. the caller's next association that negotiates storage commitment, in the same way;
3. an association that the node opens to the peer of that AE title, with role selection for the SCP role, from five
   seconds after the request on.

One report is under way at a time, and no two ways deliver the same one at once. It is tried again with growing pauses
until the peer answers with success, for about three days; then it is listed for the administrator. Where an association
or the node itself ends before the answer of the peer is noted, the same report is sent once more under the same
Transaction UID. The same request again is reported again; a Transaction UID that is used for other objects fails them
all. A request that covers all that is here of a study is a sign that the study is complete."""

_REASONS = "Failure Reason (0008,1197) of the node's reports:"

_COMPLETION = """\
A study is complete, strongest first: when the instances named by an Instance Availability Notification, by a completed
procedure step, or by a storage commitment request that covers the study are all here; when the archive's count of
instances agrees, asked by C-FIND after the quiet time (`dicom.verify_with`); when nothing has arrived for the quiet
time; when the force time is over; when the operator says so. The state is kept in the database, and a restart forgets
nothing. An instance that comes later opens the study again."""

_ASYNCHRONOUS = """\
The contexts that were offered and not accepted are listed for the administrator with the caller's AE title. Objects,
requests and reports are matched by UID and AE title alone: the address of a peer may change."""

_CHARACTER_SETS = """\
Every character set below is read, in stored objects, queries and notifications, single-byte and multi-byte, with and
without code extensions; common misspellings of their names are understood. Text without a declared character set is
read as UTF-8 where it is valid UTF-8, else as ISO_IR 100. The node's own reports are written in ISO_IR 192."""


def services() -> Section:
    return Section(
        "Service and Interoperability Description",
        (),
        (
            Section("Mapping of Services to Application Entities", ("All are those of one AE (4.1.1).", _mapping())),
            Section("Supported DIMSE Services", (), _dimse()),
            Section("Supported DICOM Web Services", (NOT_SUPPORTED,)),
            Section("Supported Media Services", (NOT_SUPPORTED,)),
            Section("Supported Real-Time Video Services", (NOT_SUPPORTED,)),
            Section(
                "Cross-Service Considerations",
                (),
                (Section("Completion of Studies", (_COMPLETION,)), Section("Unsupported Contexts", (_ASYNCHRONOUS,))),
            ),
            Section("Specific Character Sets", (_CHARACTER_SETS, _terms())),
        ),
    )


def _dimse() -> tuple[Section, ...]:
    store_scu = Section("SCU of the Storage SOP Classes", (_STORE_SCU,), (Section("Transcoding", (_TRANSCODING,)),))
    return (
        Section("Basic Worklist Management Service", (NOT_SUPPORTED,)),
        Section("Modality Performed Procedure Step Service", (_MPPS,)),
        Section("Unified Worklist and Procedure Step Service", (NOT_SUPPORTED,)),
        Section("Instance Availability Notification Service", (_IAN,)),
        Section("Storage Service", (), (store_scu, Section("SCP of the Storage SOP Classes", (_STORE_SCP,)))),
        Section(
            "Storage Commitment Service",
            ("Push Model.",),
            (
                Section("SCU of the Storage Commitment Push Model SOP Class", (_COMMIT_SCU,)),
                Section(
                    "SCP of the Storage Commitment Push Model SOP Class", (_COMMIT_SCP, _REASONS, _failure_reasons())
                ),
            ),
        ),
        query_retrieve(),
        Section("Print Management Service", (NOT_SUPPORTED,)),
        Section("Verification Service", ("SCP for every caller who may echo. SCU on the operator's request.",)),
    )


def _mapping() -> str:
    rows = [
        ("Verification", "Y", "Y"),
        ("Storage", "Y", "Y"),
        ("Storage Commitment", "Y", "Y"),
        ("Query/Retrieve", "Y", "Y"),
        ("Modality Performed Procedure Step", "N", "Y"),
        ("Instance Availability Notification", "N", "Y"),
    ]
    return table(("Service", "SCU", "SCP"), rows)


def _failure_reasons() -> str:
    return table(("Value", "When"), [(status(reason), _WHEN[reason]) for reason in FailureReason])


_WHEN = {
    FailureReason.NO_SUCH_OBJECT_INSTANCE: "The object is not here, or its file is missing or has another size",
    FailureReason.CLASS_INSTANCE_CONFLICT: "The object is here under another SOP class",
    FailureReason.DUPLICATE_TRANSACTION_UID: "The AE title used the Transaction UID before, for other objects",
}


def _terms() -> str:
    return ", ".join(map(code, character_sets.supported_terms())) + "."
