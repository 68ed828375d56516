"""Values of the generated archive: a case, its findings, its pictures and its report. All of it is SYNTHETIC.

radir_node.phantoms draws them; dicom_services.phantom_archive writes them as DICOM.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from radir_node.domain.study import Modality

SYNTHETIC = "SYNTHETIC"
"""The word that every generated object carries in its pixels and in its headers."""


class FindingKind(StrEnum):
    """What can be placed in a phantom. The last three are devices, drawn on radiographs only."""

    EFFUSION = "pleural effusion"
    CONSOLIDATION = "consolidation"
    GROUND_GLASS = "ground-glass opacity"
    NODULE = "nodule"
    CARDIOMEGALY = "cardiomegaly"
    PNEUMOTHORAX = "pneumothorax"
    EMPHYSEMA = "emphysema"
    PACEMAKER = "pacemaker"
    CENTRAL_LINE = "central venous line"
    TRACHEAL_TUBE = "endotracheal tube"


@dataclass(frozen=True, slots=True)
class PhantomFinding:
    """One finding at one place. Raises ValueError when severity is outside (0, 1]."""

    kind: FindingKind
    anatomy: str
    """Anatomy key (radir_node.domain.anatomy), e.g. "lower_lobe:right"."""
    severity: float = 0.5
    """Extent, 0 (barely visible) to 1 (as large as it is drawn)."""

    def __post_init__(self) -> None:
        if not 0.0 < self.severity <= 1.0:
            raise ValueError(f"severity must be in (0, 1], got {self.severity}")

    @property
    def site(self) -> str:
        return self.anatomy.partition(":")[0]

    @property
    def side(self) -> str:
        """left, right, bilateral, or empty for a midline structure."""
        return self.anatomy.partition(":")[2]

    @property
    def diameter_mm(self) -> int:
        """Size of a nodule as drawn and as reported: 8 mm to 28 mm."""
        return round(8 + 20 * self.severity)


@dataclass(frozen=True, slots=True)
class PhantomCase:
    """Everything a study is drawn from: equal cases give equal bytes.

    patient chooses the anatomy, number the noise, the wording and the UIDs; so the same case with other findings is
    the same person's film, and two numbers of one patient are two visits.
    """

    archive_seed: int
    number: int
    patient: int
    modality: Modality
    sex: str
    """M or F."""
    birth_date: dt.date
    study_date: dt.date
    findings: tuple[PhantomFinding, ...] = ()

    @property
    def age_years(self) -> int:
        """Completed years on the day of the study."""
        birthday = (self.birth_date.month, self.birth_date.day)
        return self.study_date.year - self.birth_date.year - ((self.study_date.month, self.study_date.day) < birthday)

    def has(self, kind: FindingKind) -> bool:
        return any(finding.kind is kind for finding in self.findings)


@dataclass(frozen=True, slots=True)
class PhantomReport:
    """Narrative report, one text per section."""

    indication: str
    findings: str
    impression: str


@dataclass(frozen=True, slots=True)
class PhantomStudy:
    """One drawn study.

    images: CXR uint16 [1, rows, columns], 12 bit, bright = dense; CT int16 [slices, rows, columns] in Hounsfield
    units, axes (inferior to superior, anterior to posterior, patient right to left), like domain.study.CtVolume.
    spacing_mm is in the same order; for CXR the first number has no meaning.
    """

    case: PhantomCase
    images: NDArray[np.uint16] | NDArray[np.int16]
    spacing_mm: tuple[float, float, float]
    report: PhantomReport
