"""Lets the archive deliver to a C-MOVE destination what the node no longer keeps, and counts what it says.

Nothing is asked for twice unless the archive said that it delivered nothing: what is in doubt after it broke off counts
as failed. Called by retrieve.py.
"""

from collections import deque
from collections.abc import Iterable

from dicom_services.scp.ports import StoredObject
from dicom_services.scp.retrieval.elsewhere import (
    BROKE_OFF,
    NOT_THERE,
    REJECTS,
    Archive,
    answered,
    batches,
    identifier,
    persistently,
    uids,
    wants_no_more,
)
from dicom_services.scp.retrieval.progress import Progress
from dicom_services.scu import find
from dicom_services.scu import move as scu_move
from dicom_services.scu.association import Requestor
from dicom_services.scu.suboperations import Retrieved, SubOperations
from radir_node.errors import PeerUnavailable

_FAILURES = (0xA000, 0xC000)
_CLASS_OF_STATUS = 0xF000


def move(archive: Archive, items: Iterable[StoredObject], destination: str, progress: Progress) -> list[StoredObject]:
    """Let the archive send objects to the destination.

    Returns what it turned down as a whole, because it does not know the destination or offers no C-MOVE: the node may
    fetch that. Raises Cancelled and RequesterGone.
    """
    waiting = deque(batches(items))
    turned_down: list[StoredObject] = []

    def ask(requestor: Requestor) -> None:
        requestor.context(scu_move.STUDY_ROOT_MOVE)  # Rejected before anything is asked for
        while waiting:
            progress.check()
            batch = _Batch(waiting.popleft(), progress)
            outcome = batch.move(requestor, destination)
            if batch.untouched and outcome.status & _CLASS_OF_STATUS in _FAILURES:
                turned_down.extend(item for items in (batch.items, *waiting) for item in items)
                waiting.clear()
            elif batch.untouched and len(batch.items) > 1 and batch.held_by(requestor):
                waiting.extendleft([item] for item in batch.items)  # an archive that takes one UID at a time
            else:
                batch.settle(requestor, outcome)

    reason = persistently(archive, [*scu_move.CONTEXTS, *find.CONTEXTS], ask)
    left = [item for items in waiting for item in items]
    if reason == REJECTS:
        turned_down += left
    else:
        progress.fail(uids(left), reason)
    progress.check()
    return turned_down


class _Batch:
    """One request, and its share in the counts of the whole retrieve."""

    def __init__(self, items: list[StoredObject], progress: Progress) -> None:
        self.items = items
        self._progress = progress
        self._tally = progress.tally
        self._before = SubOperations(self._tally.completed, self._tally.failed, self._tally.warning)
        self._left = len(items)

    @property
    def untouched(self) -> bool:
        """Whether the archive has reported no sub-operation at all."""
        return self._left == len(self.items)

    def move(self, requestor: Requestor, destination: str) -> Retrieved:
        """Ask, and pass the counts on. Raises PeerUnavailable, when all is settled that can be."""
        try:
            outcome = scu_move.move(requestor, identifier(self.items), destination, self._watch)
        except PeerUnavailable:
            self._fail_rest(uids(self.items) if self.untouched else [], BROKE_OFF)
            raise
        self._note(outcome.counts)
        self._progress.check()
        return outcome

    def settle(self, requestor: Requestor, outcome: Retrieved) -> None:
        """Name what failed; what the archive did not account for, it does not have."""
        named = [uid for uid in uids(self.items) if uid in outcome.failed_uids]
        self._tally.failed_uids += named
        self._tally.reasons[answered(outcome)] += self._tally.failed - self._before.failed
        if self._left:
            held = self.held_by(requestor)
            missing = [uid for uid in uids(self.items) if uid not in held and uid not in named]
            self._fail_rest(missing if len(missing) == self._left else [], NOT_THERE)

    def held_by(self, requestor: Requestor) -> frozenset[str]:
        """Return which of the objects the archive says it has; none when it cannot be asked."""
        first = self.items[0]
        try:
            held = find.instances_at(requestor, first.study_instance_uid, first.series_instance_uid)
        except PeerUnavailable:
            return frozenset()
        return held.intersection(uids(self.items))

    def _watch(self, counts: SubOperations) -> bool:
        self._note(counts)
        return wants_no_more(self._progress)

    def _note(self, counts: SubOperations) -> None:
        """Take the archive's counts over; more than was asked for is not believed."""
        size = len(self.items)
        completed = min(counts.completed, size)
        warning = min(counts.warning, size - completed)
        failed = min(counts.failed, size - completed - warning)
        self._tally.completed = self._before.completed + completed
        self._tally.warning = self._before.warning + warning
        self._tally.failed = self._before.failed + failed
        self._left = size - completed - warning - failed

    def _fail_rest(self, names: list[str], reason: str) -> None:
        self._tally.failed += self._left
        self._tally.failed_uids += names
        self._tally.reasons[reason] += self._left
        self._left = 0
