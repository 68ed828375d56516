"""What was acknowledged and is not in the catalogue yet, counted by anybody who can read the storage root.

Called by `radir status`, the admin page and the metrics, in processes that have nothing to do with the DICOM server.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from dicom_services.scp.storage.spool import Spool


@dataclass(frozen=True, slots=True)
class Backlog:
    """Objects that the receive path holds alone."""

    objects: int
    """Acknowledged and not noted as registered: a second after the last one came this should be 0."""
    size_bytes: int
    oldest: dt.datetime | None
    """When the one that waits longest was acknowledged; aware, UTC."""
    quarantined: int
    """Acknowledged objects that no catalogue takes; people must look at them."""


def backlog(root: Path) -> Backlog:
    """Count what waits below a storage root; no object is opened, and no database asked. Raises OSError."""
    spool = Spool(root)
    if not spool.folder.is_dir():
        return Backlog(0, 0, None, 0)
    waiting = list(spool.waiting())
    oldest = min((received_ns for received_ns, _ in waiting), default=None)
    return Backlog(
        objects=len(waiting),
        size_bytes=sum(size for _, size in waiting),
        oldest=None if oldest is None else dt.datetime.fromtimestamp(oldest / 1e9, dt.UTC),
        quarantined=sum(1 for _ in spool.quarantine.glob("*.dcm")),
    )
