"""Studies, series and instances as the node sees them, and what an encoder is given of them.

Field names are the DICOM keywords in snake_case (PS3.6).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class StudyState(StrEnum):
    """receiving -> quiet -> queued -> encoding -> indexed | not_indexable | failed; a late instance reopens."""

    RECEIVING = "receiving"
    QUIET = "quiet"
    QUEUED = "queued"
    ENCODING = "encoding"
    INDEXED = "indexed"
    NOT_INDEXABLE = "not_indexable"
    FAILED = "failed"


class Completion(StrEnum):
    """How it was established that everything of a study had arrived, when it was last queued for indexing."""

    OPEN = ""
    """Not yet, or not any more: something arrived since."""
    VERIFIED = "verified"
    """A count agreed, or a peer said so."""
    UNVERIFIED = "unverified"
    """Nothing arrived for the quiet time, and nobody could be asked."""
    FORCED = "forced"
    """Indexed although more was known to come, or by order of the operator."""


class Evidence(StrEnum):
    """What a study's completion rests on."""

    NONE = ""
    IAN = "ian"
    """Instance Availability Notification (PS3.4 Annex R)."""
    MPPS = "mpps"
    """Modality Performed Procedure Step COMPLETED (PS3.4 Annex F)."""
    COMMITMENT = "commitment"
    """A storage commitment request for the instances (PS3.4 Annex J)."""
    COUNT = "count"
    """Number of Study Related Instances (0020,1208) at the PACS."""
    TIMER = "timer"
    FORCE_TIMER = "force timer"
    OPERATOR = "operator"


class Modality(StrEnum):
    """The two searchable kinds of study. One encoder and one set of index partitions each."""

    CXR = "CXR"
    CT = "CT"


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """What the catalogue keeps of one SOP instance's header; empty string or None where absent or unreadable."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    series_instance_uid: str
    modality: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: dt.date | None = None
    patient_sex: str = ""
    patient_age_years: float | None = None
    """Patient's Age (0010,1010), else computed from birth date and study date."""
    study_id: str = ""
    study_date: dt.date | None = None
    study_time: str = ""
    accession_number: str = ""
    study_description: str = ""
    referring_physician_name: str = ""
    procedure_code_sequence: Sequence[Mapping[str, str]] = ()
    """Items of Procedure Code Sequence (0008,1032): DICOM keyword -> value, empty ones left out."""
    series_number: int | None = None
    series_description: str = ""
    body_part_examined: str = ""
    instance_number: int | None = None
    rows: int | None = None
    columns: int | None = None
    number_of_frames: int | None = None


@dataclass(frozen=True, slots=True)
class Radiograph:
    """One frontal chest radiograph, ready for the encoder's own resize.

    pixels: float32 [rows, columns] in [0, 1], bright = dense (MONOCHROME2), VOI applied, collimation cropped,
    square pixels (already corrected for pixel aspect ratio).
    """

    sop_instance_uid: str
    series_instance_uid: str
    pixels: NDArray[np.float32]
    view_position: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CtVolume:
    """One axial chest CT series in patient space.

    hu: int16 [slices, rows, columns] in Hounsfield units, index order = (inferior to superior, anterior to
    posterior, patient right to patient left), i.e. axes (z up, y back, x left); spacing_mm the same order.
    """

    series_instance_uid: str
    hu: NDArray[np.int16]
    spacing_mm: tuple[float, float, float]
    notes: tuple[str, ...] = ()
    """One line per irregularity met and handled (missing slices, gantry tilt, ...)."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The picture of a study that pages and sheets show: uint8 [rows, columns], no text burnt in by us."""

    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PreparedStudy:
    """What reading one complete study yields: images to encode, and why each other instance is not one."""

    modality: Modality | None
    radiographs: tuple[Radiograph, ...] = ()
    volumes: tuple[CtVolume, ...] = ()
    not_indexable: Mapping[str, str] = field(default_factory=dict)
    """SOP Instance UID -> reason, for every image instance that yields no vector."""
