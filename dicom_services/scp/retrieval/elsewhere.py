"""The archive that holds what the node no longer keeps (dicom.retrieve_from), and how it is asked.

Used by proxy.py, which lets it deliver, and by fetch.py, which fetches from it and passes on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog
from pydicom.dataset import Dataset

from dicom_services.dul.errors import Rejected
from dicom_services.scp.ports import StoredObject
from dicom_services.scp.retrieval.progress import Progress, RequesterGone
from dicom_services.scp.storage.spool import Spool
from dicom_services.scu.association import Requestor, associate
from dicom_services.scu.caller import Caller
from dicom_services.scu.suboperations import Retrieved
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer

log = structlog.get_logger()

NOT_THERE = "the archive does not have it"
BROKE_OFF = "the archive broke off"
UNREACHABLE = "the archive does not answer"
REJECTS = "the archive offers no such service"

_BATCH = 100
"""Objects of one series in one request: few enough that little is in doubt when the archive breaks off."""

_MOST_BREAKS = 2
"""After which the archive is given up."""


@dataclass(frozen=True)
class Archive:
    """Whom to ask, and where an object lies while it is passed on."""

    peer: Peer
    caller: Caller
    spool: Spool


def batches(items: Iterable[StoredObject]) -> Iterator[list[StoredObject]]:
    """Part objects into what one request names: some of one series."""
    by_series = sorted(items, key=_series)
    for _, series in groupby(by_series, key=_series):
        members = list(series)
        for at in range(0, len(members), _BATCH):
            yield members[at : at + _BATCH]


def identifier(batch: Sequence[StoredObject]) -> Dataset:
    """Name exactly these objects of one series (PS3.4 C.4.2.1.4, C.6.1.1.5)."""
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "IMAGE"
    dataset.StudyInstanceUID = batch[0].study_instance_uid
    dataset.SeriesInstanceUID = batch[0].series_instance_uid
    dataset.SOPInstanceUID = uids(batch)
    return dataset


def uids(items: Iterable[StoredObject]) -> list[str]:
    return [item.sop_instance_uid for item in items]


def persistently(
    archive: Archive,
    contexts: Sequence[tuple[str, Sequence[str]]],
    ask: Callable[[Requestor], None],
    roles: Mapping[str, tuple[bool, bool]] | None = None,
) -> str:
    """Call `ask` with an association, and again with another when it breaks off; return why that was no use, or ""."""
    reason = ""
    for _ in range(_MOST_BREAKS):
        try:
            with associate(archive.peer, archive.caller, contexts, roles) as requestor:
                ask(requestor)
                return ""
        except PeerUnavailable as error:
            log.warning("archive_unavailable", archive=archive.peer.ae_title, reason=str(error))
            reason = REJECTS if isinstance(error, Rejected) else UNREACHABLE
    return reason


def wants_no_more(progress: Progress) -> bool:
    """Tell the requester how far it is; True when the archive is to be cancelled. Ask progress.check() afterwards."""
    try:
        progress.tell()
        return progress.stopped
    except RequesterGone:
        return True


def answered(outcome: Retrieved) -> str:
    """Say what the archive answered, for an Error Comment."""
    return f"the archive answered 0x{outcome.status:04X}"


def _series(item: StoredObject) -> tuple[str, str]:
    return item.study_instance_uid, item.series_instance_uid
