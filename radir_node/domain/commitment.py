"""Storage commitment as values: what one side asks the other to keep safe, and what it hears back (PS3.4 Annex J).

Between the DICOM services and the catalogue.
"""

from dataclasses import dataclass
from enum import IntEnum


class FailureReason(IntEnum):
    """Why the node does not commit to an object, (0008,1197) (PS3.3 C.14.1.1)."""

    NO_SUCH_OBJECT_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    DUPLICATE_TRANSACTION_UID = 0x0131


@dataclass(frozen=True, slots=True)
class SopReference:
    """One object: an item of Referenced SOP Sequence (0008,1199)."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class FailedReference:
    """An object that is not committed to: an item of Failed SOP Sequence (0008,1198)."""

    reference: SopReference
    reason: int
    """Failure Reason (0008,1197): a FailureReason where the node judged."""


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What a peer asks for by N-ACTION."""

    transaction_uid: str
    calling_ae_title: str
    references: tuple[SopReference, ...]


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """The content of an N-EVENT-REPORT."""

    transaction_uid: str
    committed: tuple[SopReference, ...]
    failed: tuple[FailedReference, ...]


@dataclass(frozen=True, slots=True)
class DueReport:
    """A report that is owed to a peer, held for whoever delivers it now."""

    id: int
    calling_ae_title: str
    report: CommitmentReport
    attempts: int
    """Failed ones so far."""
