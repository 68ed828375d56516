"""What the receive path hands to the catalogue about one durable instance, and what it hears back."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from radir_node.domain.study import InstanceHeader


class Registered(StrEnum):
    """What became of an instance that was written."""

    NEW = "new"
    SAME = "same"
    """The current copy has the same content: success, nothing changed."""
    REPLACED = "replaced"
    """Other content under the same UID became current; the older file stays."""
    KEPT = "kept"
    """Other content under the same UID, and the policy keeps the first: the caller removes this file."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One SOP instance that is fsynced and renamed on its final filesystem."""

    header: InstanceHeader
    path: str
    """POSIX path below the storage root."""
    size: int
    """Bytes of the whole file."""
    sha256: str
    """Hex digest of the whole file; also its name."""
    calling_ae_title: str
    received: dt.datetime
    """Aware, UTC."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An object or a presentation context that was not accepted; listed for the administrator."""

    reason: str
    """One line, free of identifiers."""
    calling_ae_title: str
    sop_class_uid: str
