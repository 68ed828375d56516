"""The sub-operations of one retrieve: counted once each, told to the requester, ended by one final response.

Used by retrieve.py and proxy.py.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from dicom_services.dul.errors import AssociationEnded
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.ports import StoredObject
from dicom_services.scp.query.find import CANCELLED, PENDING, SUCCESS, UNABLE_TO_PROCESS
from dicom_services.scu.store import NO_RESPONSE, NOT_SENT, UNREADABLE, succeeded, warned

SUBOPERATIONS_FAILED = 0xA702
SOME_FAILED = 0xB000

PENDING_SECONDS = 1.0
"""Between two pending responses. Viewers draw a progress bar from them, and give up after 30 s without any."""

CANCEL_SECONDS = 3.0
"""How long the sub-operation that is under way may still take after a C-CANCEL."""

_REASONS = {
    NOT_SENT: "taken in no transfer syntax we have",
    NO_RESPONSE: "no response",
    UNREADABLE: "file cannot be read",
    UNABLE_TO_PROCESS: "cannot be made any more",
}


class Cancelled(Exception):
    """The requester sent a C-CANCEL."""


class RequesterGone(Exception):
    """The requester's association is over: there is nobody to answer."""


@dataclass
class Tally:
    """Sub-operation counts of one retrieve (PS3.7 9.1.4.1, PS3.4 C.4.2.1); they always add up to the total."""

    total: int
    completed: int = 0
    warning: int = 0
    failed: int = 0
    failed_uids: list[str] = field(default_factory=list)
    """Shorter than `failed` where an archive that delivered for us did not say what failed."""
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def remaining(self) -> int:
        return self.total - self.completed - self.warning - self.failed

    @property
    def delivered(self) -> int:
        return self.completed + self.warning

    @property
    def status(self) -> int:
        if not self.failed and not self.warning:
            return SUCCESS
        return SOME_FAILED if self.delivered else SUBOPERATIONS_FAILED

    @property
    def comment(self) -> str:
        """The most common reason of failure."""
        (reason, times), *_ = self.reasons.most_common(1) or [("", 0)]
        return f"{times} failed: {reason}" if times else ""

    def done(self) -> dict[str, int]:
        return {
            "NumberOfCompletedSuboperations": self.completed,
            "NumberOfFailedSuboperations": self.failed,
            "NumberOfWarningSuboperations": self.warning,
        }

    def so_far(self) -> dict[str, int]:
        return {"NumberOfRemainingSuboperations": self.remaining, **self.done()}

    def identifier(self) -> Dataset | None:
        if not self.failed_uids:
            return None
        dataset = Dataset()
        dataset.FailedSOPInstanceUIDList = self.failed_uids
        return dataset


class Progress:
    """Counts sub-operations and keeps the requester informed. One of the last three methods is called, once."""

    def __init__(self, exchange: Exchange, total: int) -> None:
        self.exchange = exchange
        self.tally = Tally(total)
        self._told_at = time.monotonic()
        self._told = False
        self._cancelled_at: float | None = None

    def count(self, sop_instance_uid: str, status: int) -> None:
        """Count one sub-operation by its C-STORE status."""
        if warned(status):
            self.tally.warning += 1
        elif succeeded(status):
            self.tally.completed += 1
        else:
            self.fail([sop_instance_uid], _REASONS.get(status, f"answered 0x{status:04X}"))
        if not self._told:
            self._tell()
        self.tell()

    def fail(self, sop_instance_uids: Collection[str], reason: str) -> None:
        """Count sub-operations that cannot be done."""
        self.tally.failed += len(sop_instance_uids)
        self.tally.failed_uids += sop_instance_uids
        self.tally.reasons[reason] += len(sop_instance_uids)

    def tell(self) -> None:
        """Send a pending response, unless the last one is recent."""
        if time.monotonic() - self._told_at >= PENDING_SECONDS:
            self._tell()

    @property
    def stopped(self) -> bool:
        """Whether the requester wants no more, or is gone."""
        return self._cancelled() or not self.exchange.alive

    def check(self) -> None:
        """Raise Cancelled or RequesterGone where the requester wants no more; asked before each sub-operation."""
        if self._cancelled():
            raise Cancelled
        if not self.exchange.alive:
            raise RequesterGone

    def watch(self) -> None:
        """Do what is due while someone else is waited for; end the wait soon after a C-CANCEL."""
        self.tell()
        if not self.stopped:
            return
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
        if time.monotonic() - self._cancelled_at >= CANCEL_SECONDS or not self.exchange.alive:
            self.check()

    def each(self, items: Iterable[StoredObject]) -> Iterator[StoredObject]:
        """Yield objects as long as the requester wants them. Raises as `check` does."""
        for item in items:
            self.check()
            yield item

    def finish(self) -> None:
        """Send the final response."""
        self._respond(self.tally.status, self.tally.identifier(), self.tally.comment, self.tally.done())

    def refuse(self, status: int, comment: str) -> None:
        """Turn the whole retrieve down; such a response has no counts (PS3.4 Table C.4-2)."""
        self._respond(status, None, comment, {})

    def finish_cancelled(self) -> None:
        self._respond(CANCELLED, self.tally.identifier(), "", self.tally.so_far())

    def _tell(self) -> None:
        self._told, self._told_at = True, time.monotonic()
        if self.tally.remaining:
            self._respond(PENDING, None, "", self.tally.so_far())

    def _cancelled(self) -> bool:
        try:
            return self.exchange.cancelled
        except AssociationEnded as error:
            raise RequesterGone from error

    def _respond(self, status: int, identifier: Dataset | None, comment: str, counts: Mapping[str, int]) -> None:
        try:
            self.exchange.respond(status, identifier, comment, counts)
        except AssociationEnded as error:  # of the requester: must not be taken for one of the destination
            raise RequesterGone from error
