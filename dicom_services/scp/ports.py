"""What the DICOM server asks of the node: the catalogue and the search, as Protocols of values.

Implemented by radir_node.catalog and radir_node.node; called by registrar.py, query.py and retrieve.py. Every method
may raise radir_node.errors.TransientError (the database is down): a querying peer then gets 0xA700 or 0xA701.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from dicom_services.objects.stored_object import StoredObject
from dicom_services.scp.query.matching import Matcher
from radir_node.domain.commitment import CommitmentReport, CommitmentRequest, DueReport
from radir_node.domain.procedure_step import ProcedureStep
from radir_node.domain.stored import Refusal, Registered, StoredInstance
from radir_node.domain.study import Evidence

__all__ = [
    "ArchivePort",
    "FindRequest",
    "Level",
    "QueryPort",
    "Refusal",
    "Registered",
    "RetrieveRequest",
    "SimilarCasesPort",
    "StoredInstance",
    "StoredObject",
    "VirtualSeries",
]


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


@dataclass(frozen=True, slots=True)
class FindRequest:
    """One C-FIND: every match is required, every returned keyword is wanted (PS3.4 C.4.1)."""

    level: Level
    match: Mapping[str, Matcher]
    """DICOM keyword -> matcher; never holds universal matching (an empty key)."""
    returned: tuple[str, ...]
    """DICOM keywords to answer with; always of the level or above it."""


@dataclass(frozen=True, slots=True)
class RetrieveRequest:
    """The unique keys of one C-MOVE or C-GET; an empty tuple = not restricted at that level."""

    level: Level
    patient_id: str = ""
    study_instance_uids: tuple[str, ...] = ()
    series_instance_uids: tuple[str, ...] = ()
    sop_instance_uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VirtualSeries:
    """The series of similar cases that the node shows inside an indexed study; its object is made on retrieve."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    series_number: int
    series_description: str = "RadIR similar cases"
    modality: str = "SR"


class ArchivePort(Protocol):
    """Where received instances are made known. Called by the registrar alone."""

    def register_all(self, batch: Sequence[StoredInstance]) -> Sequence[Registered]:
        """Commit rows and jobs of the batch in one transaction, in its order; return what became of each.

        Registering the same file again changes nothing. Raises TransientError when nothing was committed and all may
        be tried again as it is, any other exception when the batch holds something that cannot be committed.
        """
        ...

    def refuse_all(self, batch: Sequence[Refusal]) -> None:
        """List what was not accepted."""
        ...


class QueryPort(Protocol):
    """What the node holds."""

    def find(self, request: FindRequest) -> Iterator[Mapping[str, object]]:
        """Yield one mapping keyword -> value per entity of the level, in any order.

        A value is text, a number, a date, a list of texts (ModalitiesInStudy), a list of mappings keyword -> text
        (the items of ProcedureCodeSequence, as far as they are kept) or None; a keyword that the
        catalogue does not hold is left out. The server applies every matcher again, so an implementation may
        narrow by some of them only; it must apply the UIDs and Patient ID to stay fast.
        """
        ...

    def instances(self, request: RetrieveRequest) -> list[StoredObject]:
        """Return the current instances under the unique keys, ordered by series and instance number."""
        ...


class SimilarCasesPort(Protocol):
    """The similar-case answer as a series inside the study it is about."""

    def series_of_many(self, study_instance_uids: Collection[str]) -> Mapping[str, VirtualSeries]:
        """Return by Study Instance UID the series that render() would make now, without computing them.

        A study that is not indexed is left out. All are of one state of the index. Called with some 200 at once.
        """
        ...

    def render(self, study_instance_uid: str) -> Path:
        """Compute (or find again) the Structured Report and return its file.

        The same SOP Instance UID always yields the same bytes. Raises UserError when the study is not indexed.
        """
        ...

    def issued(self, sop_instance_uid: str) -> StoredObject | None:
        """Return a report that render() made before, whatever the index holds now; None when there is none."""
        ...


class CommitmentPort(Protocol):
    """What the node has promised to keep, and what was promised to it."""

    def accept(self, request: CommitmentRequest) -> None:
        """Make a request durable; its report is due from now on.

        The same request again, for a peer that missed the answer, is reported again; other objects under a transaction
        UID that was used are reported as failed, each with DUPLICATE_TRANSACTION_UID.
        """
        ...

    def take(self, calling_ae_title: str) -> DueReport | None:
        """Judge the oldest request of the AE title whose report is due, and hold its report for the caller.

        Until the hold ends, by `delivered`, `postponed` or by itself after a while, nobody else is given this report.
        None when no report is due, or when objects that were acknowledged before the request are not registered yet.
        """
        ...

    def hasten(self, calling_ae_title: str) -> None:
        """The AE title has an association open: every report owed to it is due now, whatever its pause."""
        ...

    def delivered(self, due: DueReport) -> None:
        """The peer has answered the report with success."""
        ...

    def postponed(self, due: DueReport, reason: str) -> None:
        """The report did not reach the peer; it is due again after a pause. The reason holds no identifier."""
        ...

    def confirm(self, calling_ae_title: str, report: CommitmentReport) -> bool:
        """Take the report of a peer about what the node sent to it; False when the node asked for no such thing."""
        ...


class ProcedureStepPort(Protocol):
    """Performed procedure steps of modalities."""

    def create(self, step: ProcedureStep) -> bool:
        """Keep a new step; False when its SOP Instance UID is known already."""
        ...

    def change(self, sop_instance_uid: str, change: Callable[[ProcedureStep], ProcedureStep]) -> ProcedureStep | None:
        """Replace a step by what `change` makes of it, while nobody else can; None when there is no such step.

        What `change` raises comes out, and nothing is changed then.
        """
        ...


class CompletionPort(Protocol):
    """Where the messages of peers about whole studies go."""

    def announce_complete(
        self, study_instance_uid: str, sop_instance_uids: Collection[str] | None, evidence: Evidence
    ) -> bool:
        """Take the message that a study consists of these instances; True when all of them are here."""
        ...
