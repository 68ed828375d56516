"""Sends files to a peer by C-STORE over one association.

Called by the push of results to a PACS (`radir sr --push`, dicom.push_to), by `radir send` and by `radir demo`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_services.objects.stored_object import describe
from dicom_services.scu.caller import Caller
from dicom_services.scu.delivery import Delivery
from dicom_services.scu.store import UNREADABLE, succeeded
from radir_node.settings import Peer


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
    peer: Peer, paths: Sequence[Path], caller: Caller, progress: Callable[[int], None] = lambda done: None
) -> SendResult:
    """Send the files as they are on disk; progress is called with the number of files done after each.

    Files that the peer did not answer for, because the association broke again and again, are NO_RESPONSE: what was
    acknowledged before need not be sent again. Raises PeerUnavailable when there is no association at all.
    """
    objects = [describe(path) for path in paths]
    if not any(objects):
        return SendResult(tuple(("", UNREADABLE) for _ in paths))
    outcomes: list[tuple[str, int]] = []
    with Delivery(peer, caller, [item for item in objects if item]) as delivery:
        for number, item in enumerate(objects, start=1):
            outcomes.append((item.sop_instance_uid, delivery.send(item)) if item else ("", UNREADABLE))
            progress(number)
    return SendResult(tuple(outcomes))
