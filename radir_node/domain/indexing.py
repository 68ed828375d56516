"""What the indexing job takes up and what it yields: values between radir_node.ingest and the catalogue."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from radir_node.domain.embedding import Encoded, ModelVersion
from radir_node.domain.report import ParsedReport, ReportText
from radir_node.domain.study import InstanceHeader, Modality, StudyState


@dataclass(frozen=True, slots=True)
class StudyWork:
    """A study taken up for indexing: its current instances, and a mark that tells whether one came meanwhile."""

    study_id: int
    instances: tuple[tuple[str, InstanceHeader], ...]
    """(path relative to the storage root, header)."""
    mark: dt.datetime
    unchanged: Mapping[str, str] = field(default_factory=dict)
    """Unit (Encoded.unit_uid) -> id of the model that made its vectors, where nothing of its series changed since."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What indexing one study yielded; the catalogue writes it in one transaction."""

    state: StudyState
    reason: str = ""
    modality: Modality | None = None
    model: ModelVersion | None = None
    encoded: tuple[Encoded, ...] = ()
    reports: tuple[tuple[ReportText, ParsedReport], ...] = ()
    not_indexable: Mapping[str, str] = field(default_factory=dict)
    """SOP Instance UID -> reason."""
    kept: frozenset[str] = frozenset()
    """Units whose vectors and measures stay as they are."""
