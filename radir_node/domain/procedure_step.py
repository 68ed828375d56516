"""Modality Performed Procedure Step (PS3.4 Annex F): what a modality says of the work that makes a study.

Values between the DICOM services and the catalogue.
"""

from dataclasses import dataclass
from enum import StrEnum


class ProcedureStepState(StrEnum):
    """Performed Procedure Step Status (0040,0252)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


@dataclass(frozen=True, slots=True)
class ProcedureStep:
    """One performed procedure step as the modality last described it."""

    sop_instance_uid: str
    state: ProcedureStepState
    study_instance_uids: tuple[str, ...]
    calling_ae_title: str
    dataset: bytes
    """Its attributes: a data set in Explicit VR Little Endian, ISO_IR 192."""
