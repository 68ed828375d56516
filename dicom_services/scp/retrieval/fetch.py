"""Fetches what the node no longer keeps from the archive by C-GET, and passes each object on at once.

One object lies on the disk at a time. Nothing is in doubt here when the archive breaks off, so what has not come is
asked for once more. Called by retrieve.py for C-GET, and for C-MOVE where the archive does not know the destination.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

from dicom_services.dimse.command import Command, text
from dicom_services.dul.association import Context
from dicom_services.scp.ports import StoredObject
from dicom_services.scp.retrieval.elsewhere import (
    NOT_THERE,
    Archive,
    answered,
    batches,
    identifier,
    persistently,
    uids,
    wants_no_more,
)
from dicom_services.scp.retrieval.progress import Progress
from dicom_services.scp.storage.spool import Incoming, Part, Spool
from dicom_services.scu import get
from dicom_services.scu.association import Requestor
from dicom_services.scu.store import UNREADABLE, succeeded
from radir_node.errors import StorageFull

Send = Callable[[StoredObject], int]
"""Passes one object on; returns its C-STORE status."""

_SUCCESS = 0x0000
_OUT_OF_RESOURCES = 0xA700


def fetch(archive: Archive, items: Iterable[StoredObject], send: Send, progress: Progress) -> None:
    """Fetch objects and pass them on, counting each. Raises what `send` raises, Cancelled and RequesterGone."""
    wanted = {item.sop_instance_uid: item for item in items}
    pairs = [(item.sop_class_uid, item.transfer_syntax_uid) for item in wanted.values()]
    passing = _Passing(archive.spool, wanted, send, progress)

    def ask(requestor: Requestor) -> None:
        for batch in list(batches(wanted.values())):
            progress.check()
            outcome = get.get(requestor, identifier(batch), passing, lambda counts: wants_no_more(progress))
            progress.check()
            left = [uid for uid in uids(batch) if wanted.pop(uid, None) is not None]
            progress.fail(left, NOT_THERE if outcome.status == _SUCCESS else answered(outcome))

    try:
        reason = persistently(archive, get.contexts(pairs), ask, get.roles(pair[0] for pair in pairs))
        progress.fail(list(wanted), reason)
    finally:
        passing.drop()


class _Passing:
    """Takes the objects that the archive sends; each is passed on when it is complete. Implements get.Receiver."""

    def __init__(self, spool: Spool, wanted: dict[str, StoredObject], send: Send, progress: Progress) -> None:
        self._spool = spool
        self._wanted = wanted
        self._send = send
        self._progress = progress
        self._item: StoredObject | None = None
        self._transfer_syntax_uid = ""
        self._part: Part | None = None

    def begin(self, context: Context, command: Command) -> "_Passing":
        self.drop()
        uid = text(command, "AffectedSOPInstanceUID")
        self._item = self._wanted.get(uid)
        self._transfer_syntax_uid = context.transfer_syntax
        if self._item is not None:
            announced = Incoming(self._item.sop_class_uid, uid, context.transfer_syntax, "")
            with suppress(StorageFull):
                self._part = self._spool.begin(announced)
        return self

    def write(self, data: memoryview) -> None:
        """Keep a piece of what is wanted, while there is room for it."""
        try:
            if self._part is not None:
                self._part.write(data)
        except OSError:
            self.drop()

    def finish(self) -> int:
        """Pass the object on; what was not asked for, or has come before, is dropped."""
        item, self._item = self._item, None
        if item is None:
            return _SUCCESS
        status = self._passed_on(item)
        self.drop()
        del self._wanted[item.sop_instance_uid]
        self._progress.count(item.sop_instance_uid, status)
        return _SUCCESS if succeeded(status) else _OUT_OF_RESOURCES

    def drop(self) -> None:
        """Remove the file of the present object. A second call does nothing."""
        if self._part is not None:
            self._part.close()
            self._part = None

    def _passed_on(self, item: StoredObject) -> int:
        try:
            path = self._part.path() if self._part is not None else None
        except OSError:
            path = None
        if path is None:
            return UNREADABLE
        syntax = self._transfer_syntax_uid
        return self._send(
            StoredObject(
                path,
                item.sop_class_uid,
                item.sop_instance_uid,
                syntax,
                item.study_instance_uid,
                item.series_instance_uid,
            )
        )
