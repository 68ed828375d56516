"""The exchange with peers at one moment, as the DICOM page and the metrics are answered with it. Values of ports.py."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from radir_node.domain.study import Completion, Evidence, StudyState


@dataclass(frozen=True, slots=True)
class Service:
    """How the node is reached by its peers."""

    ae_title: str
    addresses: tuple[str, ...]
    """ "host:port", plain first, then "host:port (TLS)"; empty while the DICOM server does not run."""
    unknown_callers: tuple[str, ...]
    """What AE titles that are no peer may ask; empty = they are rejected."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One application entity of the configuration."""

    name: str
    ae_title: str
    address: str
    """ "host:port"."""
    tls: bool
    allow: tuple[str, ...]
    """What it may ask of the node."""
    roles: tuple[str, ...] = ()
    """Settings by which the node relies on it: push_to, verify_with, retrieve_from."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """One deadline in force."""

    name: str
    seconds: float
    meaning: str


@dataclass(frozen=True, slots=True)
class Spool:
    """What was acknowledged and is not in the catalogue."""

    objects: int
    size_bytes: int
    oldest_seconds: float | None
    """Age of the one that waits longest; None when nothing waits."""
    quarantined: int


@dataclass(frozen=True, slots=True)
class OpenStudy:
    """A study of which more may come."""

    case_id: str
    modality: str
    state: StudyState
    instances: int
    expected: int | None
    """Number of Study Related Instances at the PACS, where it was asked and has more."""
    missing: int
    """Instances that peers announced and that are not here."""
    in_progress: bool
    """A modality reported a performed procedure step that goes on."""
    opened_at: dt.datetime
    last_received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class FinishedStudy:
    """A study that was complete, and how that was known."""

    case_id: str
    modality: str
    state: StudyState
    instances: int
    completion: Completion
    evidence: Evidence
    last_received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Debt:
    """An object or a storage commitment report that a peer has not got."""

    id: int
    peer: str
    """Name of the peer, or AE title of who asked for commitment."""
    subject: str
    """Pseudonym of the study, or number of instances."""
    dead: bool
    """Given up: nothing happens until somebody wants it tried again."""
    attempts: int
    reason: str
    """Of the last attempt."""
    next_attempt_at: dt.datetime
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Debts:
    """Everything of one kind that is owed."""

    waiting: int = 0
    dead: int = 0
    listed: tuple[Debt, ...] = ()
    """The dead first; may be cut."""


@dataclass(frozen=True, slots=True)
class KindOfRefusal:
    """What was not accepted, for one reason, from one AE title."""

    reason: str
    ae_title: str
    times: int
    first_at: dt.datetime
    last_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did, from the audit."""

    at: dt.datetime
    actor: str
    action: str
    subject: str
    outcome: str


@dataclass(frozen=True, slots=True)
class DicomState:
    """Everything the DICOM page shows."""

    checked_at: dt.datetime
    service: Service
    peers: tuple[Peer, ...] = ()
    timeouts: tuple[Timeout, ...] = ()
    spool: Spool = Spool(0, 0, None, 0)
    open_count: int = 0
    open_studies: tuple[OpenStudy, ...] = ()
    """Those that wait longest first; may be cut."""
    finished: tuple[FinishedStudy, ...] = ()
    """Those received last first; cut."""
    completions: Mapping[Completion, int] = field(default_factory=dict)
    """Complete studies by how that was established."""
    deliveries: Debts = Debts()
    reports: Debts = Debts()
    """Of storage commitment."""
    refusals: tuple[KindOfRefusal, ...] = ()
    """Newest first; may be cut."""
    deeds: tuple[Deed, ...] = ()
    """Newest first; cut."""
