"""What the pages ask of the node, and the values they are answered with. The composition root implements `UseCases`.

Every method is synchronous and is called from a worker thread of the web server, several at a time. A method may raise
any TransientError (the page says "try again") or UserError (the page shows its one line); a missing thing is None.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from radir_node.domain.match import Query, SimilarCases
from radir_node.domain.study import Completion, Modality, StudyState
from radir_node.web.dicom_state import DicomState
from radir_node.web.report_state import ReportState

Role = Literal["viewer", "admin", "sender"]
"""A sender is a program: it may submit reports and see nothing."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whose password was right."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class AnatomyChoice:
    """One searchable partition of a modality other than the global one."""

    key: str
    """Anatomy key, e.g. "lower_lobe:right"."""
    label: str
    """Readable, e.g. "right lower lobe"."""
    in_report: bool = False
    """The study's own report speaks of it; offered first."""


@dataclass(frozen=True, slots=True)
class StudyCard:
    """One study as the pages show it. study_instance_uid is never written into a page or a link."""

    case_id: str
    """Pseudonym, stable at this site (the same as domain.match.Match.case_id); the only name a page or a link shows."""
    study_instance_uid: str
    modality: Modality | None
    study_date: dt.date | None
    age_years: float | None
    sex: str
    """Patient's Sex: "F", "M", "O" or empty."""
    state: StudyState
    reason: str = ""
    """Why the study is not indexable, or failed; empty otherwise."""
    searchable: bool = False
    """Vectors of the study are indexed, so that it can be a query."""
    has_preview: bool = False
    has_report: bool = False
    report_note: str = ""
    """What keeps the study's own report from being read, as people are told; empty where it was read."""
    findings: tuple[str, ...] = ()
    """Readable tags of the study's own report that are present."""
    anatomies: tuple[AnatomyChoice, ...] = ()
    """What the study's modality can be searched by, in the order to offer it; without the global partition."""
    completion: Completion = Completion.OPEN
    """How it was established that all of the study had arrived; OPEN while more may come."""


@dataclass(frozen=True, slots=True)
class MatchScale:
    """Where a cosine score turns from weak to moderate to strong in one partition, and where it is no match at all.

    A node that has measured the best scores of its own archive gives their 5th, 25th and 50th percentiles; the defaults
    stand in until then.
    """

    close_from: float = 0.30
    """A best score below this raises the "no close match" banner."""
    moderate_from: float = 0.50
    strong_from: float = 0.75


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what one modality received became searchable. Counts of studies."""

    modality: Modality
    received: int
    indexed: int
    with_report: int


@dataclass(frozen=True, slots=True)
class Queue:
    depth: int
    """Jobs waiting or running."""
    oldest_seconds: float | None
    """Age of the oldest waiting job; None when nothing waits."""
    failed: int = 0
    """Jobs given up after their retries."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A study that failed or cannot be indexed."""

    case_id: str
    modality: str
    """Modality (0008,0060) values as received, e.g. "CT" or "CR, SR"."""
    received_at: dt.datetime
    """Timezone-aware."""
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Instances that were refused, or kept without being indexed, for one reason."""

    reason: str
    instances: int
    last_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The index files in force for one modality."""

    id: str
    modality: Modality
    built_at: dt.datetime
    rows: int
    """Vectors over all partitions."""
    partitions: int
    unapplied_changes: int = 0
    """Catalogue changes newer than the snapshot that the serving index has not applied yet."""


@dataclass(frozen=True, slots=True)
class RecallProbe:
    """Stored vectors replayed against the serving index and against exact search."""

    modality: Modality
    recall_at_10: float
    """In [0, 1]."""
    queries: int
    index_milliseconds: float
    """Median latency of the serving index."""
    exact_milliseconds: float
    """Median latency of exact search."""
    probed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Storage:
    used_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Model:
    """An encoder in force."""

    modality: Modality
    model_id: str
    """domain.embedding.ModelVersion.id"""
    licence: str
    studies: int
    """Studies whose vectors were made by exactly this version."""


@dataclass(frozen=True, slots=True)
class Health:
    """The state of archive, queue and index at one moment."""

    checked_at: dt.datetime
    studies: Mapping[StudyState, int]
    instances: int
    reports: int
    coverage: tuple[Coverage, ...]
    queue: Queue
    failures: tuple[Problem, ...]
    """Newest first; the implementation may cut the list (50 is plenty)."""
    not_indexable: tuple[Problem, ...]
    """Newest first; may be cut as well. `studies` holds the full count."""
    refused: tuple[Refusal, ...]
    snapshots: tuple[Snapshot, ...]
    recall: tuple[RecallProbe, ...]
    storage: Storage
    models: tuple[Model, ...]


class UseCases(Protocol):
    """The node, as the pages see it."""

    def authenticate(self, username: str, password: str) -> User | None:
        """Check a local account's password; None when either is wrong (in the same time for both)."""

    def lookup(self, *, study_uid: str = "", accession: str = "") -> StudyCard | None:
        """Find a study by Study Instance UID, else by Accession Number (the newest when several carry it)."""

    def study(self, case_id: str) -> StudyCard | None:
        """Find a study by its pseudonym."""

    def recent(self, limit: int) -> Sequence[StudyCard]:
        """List the studies received last, newest first."""

    def similar(self, query: Query, user: str) -> SimilarCases:
        """Rank the cases like a study and record that this user saw them.

        Raises UnknownStudy, UnknownAnatomy or NothingIndexed.
        """

    def scale(self, similar: SimilarCases) -> MatchScale:
        """Tell how the scores of the partition that was searched are to be read."""

    def preview(self, study_instance_uid: str) -> bytes | None:
        """Give the study's key image as PNG."""

    def report_sentences(self, study_instance_uid: str, anatomy: str) -> tuple[str, ...]:
        """Give the scrubbed sentences of the study's report that speak of an anatomy key, or of any finding ("*")."""

    def sr(self, query: Query, user: str) -> bytes:
        """Write the answer as a DICOM Structured Report (Part 10 file). Records and raises as `similar`."""

    def health(self) -> Health:
        """Count and measure; called every few seconds by the admin page and by the metrics scraper."""

    def dicom(self) -> DicomState:
        """Tell the state of the exchange with peers; called as often as `health`."""

    def echo(self, peer: str, user: str) -> float:
        """Verify a peer of the configuration by C-ECHO; give the seconds it took. Records who asked.

        Raises PeerUnavailable, or UserError when there is no such peer.
        """

    def complete(self, case_id: str, user: str) -> None:
        """Index an open study as it is, and record who wanted it.

        Raises UnknownStudy, or UserError when it is not open.
        """

    def reopen(self, case_id: str, user: str) -> None:
        """Let a finished study settle anew. Records and raises as `complete`."""

    def retry_deliveries(self, ids: Sequence[int] | None, user: str) -> int:
        """Send what was given up after all, all or those named; give how many. Records who wanted it."""

    def retry_reports(self, ids: Sequence[int] | None, user: str) -> int:
        """The same for storage commitment reports."""

    def reports(self) -> ReportState:
        """Tell what came through the report channels; called as often as `health`."""

    def submit_report(self, key: str, body: bytes, content_type: str, user: str) -> None:
        """Make a report durable that belongs to an accession number or Study Instance UID: JSON, or plain text.

        Raises UnreadableReport (it is kept among the dead letters), or DatabaseDown: nothing was written.
        """

    def submit_fhir(self, body: bytes, user: str) -> None:
        """Make a FHIR DiagnosticReport durable. Raises as submit_report."""

    def replay_reports(self, ids: Sequence[int] | None, user: str) -> int:
        """Read dead letters again and link quarantined and pending messages anew, those named or all.

        Gives how many are no longer in trouble's way: read, or linked again. Records who wanted it.
        """

    def discard_reports(self, ids: Sequence[int], user: str) -> int:
        """Remove the content of messages in trouble for good; give how many. Records who wanted it."""

    def ready(self) -> Mapping[str, bool]:
        """Ping each collaborator (database, storage, encoder, index): name -> answers. Raises nothing."""
