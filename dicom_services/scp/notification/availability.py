"""Instance Availability Notification SCP (PS3.4 R.3): an archive says what of a study can be fetched from it.

The strongest sign that a study is complete: its instances are named by the one that has them. Called by requests.py.
"""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicom_services.dimse.status import Status
from dicom_services.objects.attributes import items, text, valid_uid
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.notification.normalized import Refused, affected_instance, refusing
from dicom_services.scp.ports import CompletionPort
from radir_node.domain.study import Evidence

UNAVAILABLE = "UNAVAILABLE"
"""Instance Availability (0008,0056) of what cannot be fetched: it is not waited for. Every other value is."""


def answer_create(exchange: Exchange, completion: CompletionPort) -> None:
    """Answer an N-CREATE: nothing is kept of the notification but what it says. A repeated one changes nothing."""
    with refusing(exchange):
        uid = affected_instance(exchange)
        notification = exchange.identifier()
        study = _uid(notification, "StudyInstanceUID")
        available = list(_available(notification))
        if available:
            completion.announce_complete(study, available, Evidence.IAN)
        exchange.respond(Status.SUCCESS, AffectedSOPInstanceUID=uid)


def _available(notification: Dataset) -> Iterator[str]:
    series = items(notification, "ReferencedSeriesSequence")
    if not series:
        raise Refused(Status.MISSING_ATTRIBUTE, "ReferencedSeriesSequence")
    for one in series:
        for reference in items(one, "ReferencedSOPSequence"):
            uid = _uid(reference, "ReferencedSOPInstanceUID")
            if text(reference, "InstanceAvailability") != UNAVAILABLE:
                yield uid


def _uid(dataset: Dataset, keyword: str) -> str:
    value = text(dataset, keyword)
    if not value:
        raise Refused(Status.MISSING_ATTRIBUTE, keyword)
    if not valid_uid(value):
        raise Refused(Status.INVALID_ATTRIBUTE_VALUE, keyword)
    return value
