"""C-FIND as SCU, Study Root: what another archive holds. Called by verify.py and by scp/retrieval/proxy.py."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicom_services.dimse.command import CommandField
from dicom_services.scu.association import LITTLE_ENDIAN, MEDIUM, Requestor, associate, status_of
from dicom_services.scu.caller import Caller
from dicom_services.scu.datasets import decoded, encoded
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer

__all__ = ["CONTEXTS", "count_at", "find", "instances_at"]

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
CONTEXTS = [(STUDY_ROOT_FIND, LITTLE_ENDIAN)]

_PENDING = (0xFF00, 0xFF01)
_ENDS = (0x0000, 0xFE00)
"""Success, and the answer to our own C-CANCEL."""


def find(requestor: Requestor, identifier: Dataset, limit: int | None = None) -> Iterator[Dataset]:
    """Yield the matches; after `limit` of them, or when the generator is closed, the rest is cancelled.

    Raises PeerUnavailable when the peer answers with a failure, or not at all.
    """
    context = requestor.context(STUDY_ROOT_FIND)
    query = encoded(identifier, context.transfer_syntax)
    asked = requestor.request(context, CommandField.C_FIND, query, AffectedSOPClassUID=STUDY_ROOT_FIND, Priority=MEDIUM)
    found, status = 0, _PENDING[0]
    try:
        while found != limit:
            message = requestor.response_to(asked)
            status = status_of(message)
            if status not in _PENDING:
                break
            found += 1
            yield decoded(message, requestor.association)
    finally:
        if status in _PENDING and requestor.association.established:
            requestor.cancel(context, asked)
            while status_of(requestor.response_to(asked)) in _PENDING:
                continue
    if status not in (*_PENDING, *_ENDS):
        raise PeerUnavailable(f"{requestor.association.called_ae_title} answers C-FIND with 0x{status:04X}")


def count_at(peer: Peer, caller: Caller, study_instance_uid: str) -> int | None:
    """Return the Number of Study Related Instances (0020,1208) at a peer; 0 when it does not know the study.

    An archive that does not count studies is asked for its series, one that counts neither for every instance. None
    when it names no number at all. Raises PeerUnavailable.
    """
    with associate(peer, caller, CONTEXTS) as requestor:
        query = _query("STUDY", StudyInstanceUID=study_instance_uid, NumberOfStudyRelatedInstances="")
        study = next(find(requestor, query, 1), None)
        if study is None:
            return 0
        return _number(study, "NumberOfStudyRelatedInstances") or _counted(requestor, study_instance_uid)


def instances_at(requestor: Requestor, study_instance_uid: str, series_instance_uid: str) -> frozenset[str]:
    """Return the SOP Instance UIDs that the peer holds of a series. Raises PeerUnavailable."""
    query = _query(
        "IMAGE", StudyInstanceUID=study_instance_uid, SeriesInstanceUID=series_instance_uid, SOPInstanceUID=""
    )
    return frozenset(str(match.get("SOPInstanceUID", "")) for match in find(requestor, query)) - {""}


def _counted(requestor: Requestor, study_instance_uid: str) -> int | None:
    """Add up the series of a study."""
    query = _query(
        "SERIES", StudyInstanceUID=study_instance_uid, SeriesInstanceUID="", NumberOfSeriesRelatedInstances=""
    )
    total = 0
    for series in list(find(requestor, query)):  # one request at a time: the next is made for each of them
        number = _number(series, "NumberOfSeriesRelatedInstances")
        uid = str(series.get("SeriesInstanceUID", ""))
        total += number if number is not None else len(instances_at(requestor, study_instance_uid, uid))
    return total or None


def _query(level: str, **keys: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


def _number(match: Dataset, keyword: str) -> int | None:
    """Return an IS value; None where the peer left it empty or wrote something else."""
    value = match.get(keyword)
    try:
        return None if value is None else int(str(value))
    except ValueError:
        return None
