"""Sends files to a peer by C-STORE over one association.

Called by the push of results to a PACS (`radir sr --push`, dicom.push_to) and by `radir demo`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicom_services.scp.ports import StoredObject
from dicom_services.scu.association import associate, contexts_for
from dicom_services.scu.store import NO_RESPONSE, store, succeeded
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer

UNREADABLE = 0xC001
"""Status of our own for a path that is not a DICOM file (PS3.10)."""

_TAGS = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
_MAX_MESSAGE_ID = 65535


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of each file, in the order given."""

    outcomes: tuple[tuple[str, int], ...]
    """(SOP Instance UID, C-STORE status) per file; the UID is empty where the file is not DICOM."""

    @property
    def sent(self) -> int:
        """Number of objects that the peer holds now."""
        return sum(succeeded(status) for _, status in self.outcomes)

    @property
    def failed(self) -> int:
        return len(self.outcomes) - self.sent


def send_files(
    peer: Peer,
    paths: Sequence[Path],
    calling_ae_title: str,
    progress: Callable[[int], None] = lambda done: None,
) -> SendResult:
    """Send the files as they are on disk; progress is called with the number of files done after each.

    Raises PeerUnavailable when there is no association, or when it breaks before the last file was tried.
    """
    objects = [describe(path) for path in paths]
    pairs = [(item.sop_class_uid, item.transfer_syntax_uid) for item in objects if item]
    outcomes: list[tuple[str, int]] = []
    if not pairs:
        return SendResult(tuple(("", UNREADABLE) for _ in paths))
    with associate(peer, calling_ae_title, contexts_for(pairs)) as association:
        for number, item in enumerate(objects, start=1):
            status = store(association, item, (number - 1) % _MAX_MESSAGE_ID + 1) if item else UNREADABLE
            if status == NO_RESPONSE and not association.is_established:
                raise PeerUnavailable(f"{peer.ae_title} closed the association after {number - 1} of {len(paths)}")
            outcomes.append((item.sop_instance_uid if item else "", status))
            progress(number)
    return SendResult(tuple(outcomes))


def describe(path: Path) -> StoredObject | None:
    """Read from a DICOM file what sending it needs. None when it is not one."""
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
        return StoredObject(
            path=path.resolve(),
            sop_class_uid=str(dataset.SOPClassUID),
            sop_instance_uid=str(dataset.SOPInstanceUID),
            transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
            study_instance_uid=str(dataset.get("StudyInstanceUID", "")),
            series_instance_uid=str(dataset.get("SeriesInstanceUID", "")),
        )
    except (InvalidDicomError, AttributeError, OSError, EOFError, ValueError, KeyError):
        return None
