"""A similar-case question and its ranked answer: the one result model behind pages, SR, CLI and JSON.

Also how the age of a patient is shown (shown_age), so that every surface coarsens it alike.
"""

import datetime as dt
from dataclasses import dataclass, field

from radir_node.domain.embedding import GLOBAL
from radir_node.domain.study import Completion, Modality
from radir_node.errors import UserError

OLDEST_SHOWN = 89
"""Years; an age above it singles a person out (45 CFR 164.514(b)(2)(i)(C))."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a case must satisfy to be ranked. None = any."""

    modality: Modality | None = None
    sex: str | None = None
    age_min: float | None = None
    age_max: float | None = None
    date_from: dt.date | None = None
    date_to: dt.date | None = None
    include_same_patient: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Cases like this study, overall or for one anatomy. Raises UserError when k < 1."""

    study_instance_uid: str
    anatomy: str = GLOBAL
    """GLOBAL or free text ("right lower lobe") or an anatomy key."""
    k: int = 5
    filters: Filters = field(default_factory=Filters)

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UserError(f"k must be at least 1, got {self.k}")


@dataclass(frozen=True, slots=True)
class Match:
    """One ranked case, de-identified except for study_instance_uid, which only the local site may show."""

    rank: int
    score: float
    """Cosine similarity in [-1, 1]; shown to people as a percentage of its positive part."""
    study_instance_uid: str
    case_id: str
    """Pseudonym, stable at this site, e.g. "RADIR-4F7A21C9"."""
    modality: Modality
    study_date: dt.date | None
    age_years: float | None
    sex: str
    sentences: tuple[str, ...] = ()
    """Report sentences that speak of the asked anatomy (or of any finding), scrubbed."""
    findings: tuple[str, ...] = ()
    """Readable tags, e.g. "pleural effusion, right"."""
    shared_findings: tuple[str, ...] = ()
    has_report: bool = False
    report_note: str = ""
    """What keeps its report from being read ("Report not parsed: not in English"): there may be findings in it."""
    completion: Completion = Completion.OPEN
    """How it was established that all of the study had arrived."""

    @property
    def percent(self) -> int:
        return round(100 * max(0.0, self.score))


@dataclass(frozen=True, slots=True)
class SimilarCases:
    """The answer to one Query: everything the five elements of a CBIR report need (JAMIA 2011;18:506)."""

    query: Query
    modality: Modality
    anatomy_used: str
    """Partition that was searched; differs from query.anatomy when the text was mapped to a parent."""
    anatomy_label: str
    """Readable name of anatomy_used, "overall" for the global partition."""
    model_id: str
    snapshot_id: str
    """Changes only when the searched partition changes."""
    reference_size: int
    """Number of studies in the searched partition."""
    eligible: int
    """Number of studies that passed the filters."""
    matches: tuple[Match, ...]
    mapped_from: str = ""
    """The anatomy that was asked for, when a parent was searched in its place."""


def shown_age(age_years: float | None) -> str:
    """Write an age as others may see it: completed years ("67"), "90+" above OLDEST_SHOWN, empty when unknown."""
    if age_years is None:
        return ""
    completed = int(age_years)
    return str(completed) if completed <= OLDEST_SHOWN else f"{OLDEST_SHOWN + 1}+"
