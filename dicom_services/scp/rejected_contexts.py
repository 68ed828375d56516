"""Lists, once per caller and SOP class, what is offered to the node and not taken. Called by reception.py."""

import threading
from collections.abc import Iterable
from contextlib import suppress

from dicom_services.dul.pdu import ABSTRACT_SYNTAX_NOT_SUPPORTED, USER_REJECTION
from dicom_services.objects.attributes import valid_uid
from dicom_services.scp.storage.spool import Spool
from radir_node.domain.stored import Refusal

MOST_LISTED = 1000
"""Pairs of AE title and SOP class that one process lists: whoever invents them must not fill memory and catalogue."""

_REASONS = {
    ABSTRACT_SYNTAX_NOT_SUPPORTED: "SOP class offered in an association is not supported",
    USER_REJECTION: "SOP class offered in an association is not permitted to this caller",
}
_OTHERWISE = "transfer syntax offered in an association is not supported"


class RejectedContexts:
    """What was listed already: senders propose the same contexts every time."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._lock = threading.Lock()
        self._listed: set[tuple[str, str]] = set()

    def list(self, calling_ae_title: str, refused: Iterable[tuple[str, int]]) -> None:
        """refused: (SOP class UID, result of its presentation context)."""
        for sop_class, result in refused:
            key = (calling_ae_title, sop_class)
            with self._lock:
                if key in self._listed or len(self._listed) >= MOST_LISTED or not valid_uid(sop_class):
                    continue
                self._listed.add(key)
            with suppress(OSError):  # a list entry is not worth an error of its own
                self._spool.refuse(Refusal(_REASONS.get(result, _OTHERWISE), calling_ae_title, sop_class))
