"""The data sets of the Storage Commitment Push Model: requests and reports <-> values (PS3.4 J.3.2 and J.3.3).

Used by both sides: scp/notification/commitment.py and scu/.
"""

from collections.abc import Iterable
from enum import IntEnum

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from dicom_services.objects.attributes import integer, items, text, valid_uid
from radir_node.domain.commitment import CommitmentReport, FailedReference, SopReference

SOP_CLASS_UID = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model."""

SOP_INSTANCE_UID = "1.2.840.10008.1.20.1.1"
"""Well-known SOP instance that requests and reports are about (PS3.4 J.3.5)."""

REQUEST_STORAGE_COMMITMENT = 1
"""The one action type."""

MOST_REFERENCES = 20000
"""Objects in one request or report."""


class EventType(IntEnum):
    """Event Type ID (0000,1002) of a report."""

    ALL_COMMITTED = 1
    FAILURES_EXIST = 2


class MalformedCommitment(Exception):
    """A request or report that cannot be used; the text names the attribute, never its value."""


class TooManyReferences(MalformedCommitment):
    """More than MOST_REFERENCES objects."""


def request_dataset(transaction_uid: str, references: Iterable[SopReference]) -> Dataset:
    """Return the Action Information of an N-ACTION."""
    dataset = Dataset()
    dataset.TransactionUID = transaction_uid
    dataset.ReferencedSOPSequence = Items([_item(reference) for reference in references])
    return dataset


def read_request(dataset: Dataset) -> tuple[str, tuple[SopReference, ...]]:
    """Return transaction UID and objects of a request. Raises MalformedCommitment."""
    references = tuple(_reference(item) for item in _items(dataset, "ReferencedSOPSequence"))
    if not references:
        raise MalformedCommitment("ReferencedSOPSequence is empty")
    return _uid(dataset, "TransactionUID"), references


def event_type(report: CommitmentReport) -> EventType:
    return EventType.FAILURES_EXIST if report.failed else EventType.ALL_COMMITTED


def report_dataset(report: CommitmentReport, retrieve_ae_title: str) -> Dataset:
    """Return the Event Information of an N-EVENT-REPORT."""
    dataset = Dataset()
    dataset.TransactionUID = report.transaction_uid
    if report.committed:
        dataset.RetrieveAETitle = retrieve_ae_title
        dataset.ReferencedSOPSequence = Items([_item(reference) for reference in report.committed])
    if report.failed:
        dataset.FailedSOPSequence = Items([_failed_item(failed) for failed in report.failed])
    return dataset


def read_report(dataset: Dataset) -> CommitmentReport:
    """Return the report that an N-EVENT-REPORT brings. Raises MalformedCommitment."""
    committed = tuple(_reference(item) for item in _items(dataset, "ReferencedSOPSequence"))
    failed = tuple(
        FailedReference(_reference(item), integer(item, "FailureReason") or 0)
        for item in _items(dataset, "FailedSOPSequence")
    )
    return CommitmentReport(_uid(dataset, "TransactionUID"), committed, failed)


def _item(reference: SopReference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return item


def _failed_item(failed: FailedReference) -> Dataset:
    item = _item(failed.reference)
    item.FailureReason = failed.reason
    return item


def _items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    found = items(dataset, keyword)
    if len(found) > MOST_REFERENCES:
        raise TooManyReferences(f"more than {MOST_REFERENCES} objects")
    return found


def _reference(item: Dataset) -> SopReference:
    return SopReference(_uid(item, "ReferencedSOPClassUID"), _uid(item, "ReferencedSOPInstanceUID"))


def _uid(dataset: Dataset, keyword: str) -> str:
    value = text(dataset, keyword)
    if not valid_uid(value):
        raise MalformedCommitment(f"{keyword} is missing or no UID")
    return value
