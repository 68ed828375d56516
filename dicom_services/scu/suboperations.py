"""What C-MOVE and C-GET as SCU have in common: the counts that the peer reports, and cancelling."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from dicom_services.dimse.message import Message
from dicom_services.dul.association import Context
from dicom_services.dul.errors import TimedOut
from dicom_services.scu.association import Requestor, status_of
from dicom_services.scu.datasets import decoded

PENDING = 0xFF00
CANCELLED = 0xFE00
DESTINATION_UNKNOWN = 0xA801

CANCEL_SECONDS = 10.0
"""How long the final response may take after a C-CANCEL."""


@dataclass(frozen=True, slots=True)
class SubOperations:
    """Counts of one response; what the peer leaves out is 0."""

    completed: int = 0
    failed: int = 0
    warning: int = 0

    @property
    def done(self) -> int:
        return self.completed + self.failed + self.warning

    @property
    def delivered(self) -> int:
        return self.completed + self.warning


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The final response."""

    status: int
    counts: SubOperations
    failed_uids: tuple[str, ...]
    comment: str


Watch = Callable[[SubOperations], bool]
"""Called with the counts so far, at every response and now and then between them; True = cancel."""


@dataclass
class Watched:
    """A retrieve under way: asks `watch` whether to go on, and sends the one C-CANCEL."""

    requestor: Requestor
    context: Context
    message_id: int
    watch: Watch
    counts: SubOperations = field(default_factory=SubOperations)
    _end_by: float | None = None

    def idle(self) -> None:
        """Raises TimedOut when the peer goes on and on after a C-CANCEL."""
        if self._end_by is None:
            if self.watch(self.counts):
                self.requestor.cancel(self.context, self.message_id)
                self._end_by = time.monotonic() + CANCEL_SECONDS
        elif time.monotonic() > self._end_by:
            raise TimedOut("no answer to a C-CANCEL")

    def take(self, message: Message) -> Retrieved | None:
        """Note a response; return the outcome where it is the final one."""
        status = status_of(message)
        self.counts = _counts(message)
        self.idle()
        if status == PENDING:
            return None
        dataset = decoded(message, self.requestor.association)
        comment = str(message.command.get("ErrorComment", ""))
        return Retrieved(status, self.counts, _failed_uids(dataset), comment)


def _counts(message: Message) -> SubOperations:
    values = [message.command.get(f"NumberOf{kind}Suboperations", 0) for kind in ("Completed", "Failed", "Warning")]
    return SubOperations(*(value if isinstance(value, int) else 0 for value in values))


def _failed_uids(dataset: Dataset) -> tuple[str, ...]:
    value = dataset.get("FailedSOPInstanceUIDList") or ()
    return (str(value),) if isinstance(value, str) else tuple(str(uid) for uid in value)
