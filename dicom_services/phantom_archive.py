"""Writes generated studies as DICOM files: DX or CR film, CT slices, and one narrative report SR per study.

Called by the demonstration and by tests. Every object says SYNTHETIC in its headers; equal cases give equal bytes.
"""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
)

from radir_node.domain.phantom import SYNTHETIC, PhantomCase, PhantomStudy
from radir_node.domain.study import Modality

_NAMESPACE = uuid.UUID("5b0f7c0e-2a57-4d53-9f0a-52e6f3b5c1d4")
_CR_EVERY = 3
"""Every third radiograph is a CR with MONOCHROME1, as from an older plate reader."""
_HU_OFFSET = 1024
Code = tuple[str, str, str]

_SECTIONS: tuple[tuple[str, Code, Code], ...] = (
    ("indication", ("121109", "DCM", "Indications for Procedure"), ("121060", "DCM", "History")),
    ("findings", ("121070", "DCM", "Findings"), ("121071", "DCM", "Finding")),
    ("impression", ("121072", "DCM", "Impressions"), ("121073", "DCM", "Impression")),
)
"""Report section -> CID 7001 heading and CID 7002 element of TID 2000."""


def write_study(study: PhantomStudy, folder: Path) -> list[Path]:
    """Write the study's images and its report into folder, which is made, and return the files in that order.

    Raises OSError when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = list(_slices(study) if study.case.modality is Modality.CT else _films(study))
    objects = [*images, _report(study, images)]
    paths = [folder / f"{ds.Modality}{ds.InstanceNumber:04d}.dcm" for ds in objects]
    for ds, path in zip(objects, paths, strict=True):
        ds.save_as(path, enforce_file_format=True)
    return paths


def study_instance_uid(case: PhantomCase) -> str:
    """Return the Study Instance UID that write_study gives a case."""
    return _uid(case, "study")


def _uid(case: PhantomCase, name: str) -> str:
    """Return a UID under 2.25 (PS3.5 B.2) that depends on the whole case."""
    digest = hashlib.sha256(repr(case).encode()).hexdigest()
    return f"2.25.{uuid.uuid5(_NAMESPACE, f'{digest}/{name}').int}"


def _object(case: PhantomCase, sop_class_uid: str, series: str, instance: int) -> Dataset:
    """Return a data set with the patient, study, series, equipment and SOP common modules (PS3.3 C.7, C.12)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class_uid, _uid(case, f"{series}/{instance}")
    ds.PatientName = f"{SYNTHETIC}^CASE {case.patient:03d}"
    ds.PatientID = f"SYN{case.archive_seed}-{case.patient:04d}"
    ds.PatientBirthDate, ds.PatientSex = f"{case.birth_date:%Y%m%d}", case.sex
    ds.PatientAge = f"{case.age_years:03d}Y"
    ds.StudyInstanceUID = study_instance_uid(case)
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = f"{case.study_date:%Y%m%d}"
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = f"{8 + case.number % 9:02d}{case.number * 7 % 60:02d}00"
    ds.ReferringPhysicianName = ""
    ds.StudyID, ds.AccessionNumber = str(case.number), f"SYN{case.archive_seed}{case.number:05d}"
    kind = "chest CT" if case.modality is Modality.CT else "chest radiograph"
    ds.StudyDescription = f"{SYNTHETIC} {kind}"
    ds.SeriesInstanceUID = _uid(case, series)
    ds.InstanceNumber = instance
    ds.Manufacturer = ds.InstitutionName = ds.StationName = SYNTHETIC
    ds.ManufacturerModelName, ds.DeviceSerialNumber, ds.SoftwareVersions = "RadIR phantom", "0", "1"
    ds.InstanceCreationDate, ds.InstanceCreationTime = ds.StudyDate, ds.StudyTime
    return ds


def _code(code: Code) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return [item]


def _set_pixels(ds: Dataset, pixels: NDArray[np.uint16], photometric: str) -> None:
    """Set the image pixel module (PS3.3 C.7.6.3) for 12 bits in 16."""
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, photometric
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.BurnedInAnnotation, ds.LossyImageCompression = "YES", "00"
    ds.ImageComments = f"{SYNTHETIC}: drawn by a program, no patient"
    ds.PixelData = np.ascontiguousarray(pixels, "<u2").tobytes()


def _films(study: PhantomStudy) -> Iterator[Dataset]:
    for instance, film in enumerate(study.images, start=1):
        pixels = film.astype(np.uint16)
        yield (_cr if study.case.number % _CR_EVERY == 0 else _dx)(study, pixels, instance)


def _film(study: PhantomStudy, sop_class_uid: str, instance: int) -> Dataset:
    """Return what CR and DX share."""
    ds = _object(study.case, sop_class_uid, "film", instance)
    ds.SeriesNumber, ds.SeriesDescription = 1, f"{SYNTHETIC} PA"
    ds.BodyPartExamined, ds.ViewPosition, ds.PatientOrientation = "CHEST", "PA", ["L", "F"]
    ds.ImagerPixelSpacing = [f"{mm:.3f}" for mm in study.spacing_mm[1:]]
    ds.AcquisitionDate, ds.AcquisitionTime = ds.StudyDate, ds.StudyTime
    ds.AcquisitionNumber = 1
    ds.KVP = "125"
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    return ds


def _dx(study: PhantomStudy, pixels: NDArray[np.uint16], instance: int) -> Dataset:
    """Return a Digital X-Ray Image - For Presentation (PS3.3 A.26), MONOCHROME2."""
    ds = _film(study, DigitalXRayImageStorageForPresentation, instance)
    ds.Modality, ds.PresentationIntentType = "DX", "FOR PRESENTATION"
    ds.ImageType = ["DERIVED", "PRIMARY", ""]
    ds.ImageLaterality = "U"
    ds.AnatomicRegionSequence = _code(("816094009", "SCT", "Chest"))
    ds.ViewCodeSequence = _code(("399348003", "SCT", "postero-anterior"))
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "IDENTITY"
    ds.DetectorType, ds.DetectorConfiguration, ds.DetectorID = "DIRECT", "AREA", SYNTHETIC
    ds.PositionerType = "NONE"
    ds.AcquisitionContextSequence = []
    _set_pixels(ds, pixels, "MONOCHROME2")
    return ds


def _cr(study: PhantomStudy, pixels: NDArray[np.uint16], instance: int) -> Dataset:
    """Return a Computed Radiography Image (PS3.3 A.2), MONOCHROME1: stored bright where the film is black."""
    ds = _film(study, ComputedRadiographyImageStorage, instance)
    ds.Modality = "CR"
    ds.ImageType = ["DERIVED", "PRIMARY"]
    _set_pixels(ds, (4095 - pixels).astype(np.uint16), "MONOCHROME1")
    return ds


def _slices(study: PhantomStudy) -> Iterator[Dataset]:
    """Yield one CT Image (PS3.3 A.3) per slice, from the neck down."""
    case, (step, row_mm, column_mm) = study.case, study.spacing_mm
    count, rows, columns = study.images.shape
    for instance, index in enumerate(reversed(range(count)), start=1):
        ds = _object(case, CTImageStorage, "axial", instance)
        ds.Modality, ds.SeriesNumber, ds.SeriesDescription = "CT", 2, f"{SYNTHETIC} axial {step:g} mm"
        ds.ImageType, ds.BodyPartExamined, ds.PatientPosition = ["ORIGINAL", "PRIMARY", "AXIAL"], "CHEST", "HFS"
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = _uid(case, "frame"), ""
        ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
        corner = (-column_mm * (columns - 1) / 2, -row_mm * (rows - 1) / 2, index * step)
        ds.ImagePositionPatient = [f"{mm:.3f}" for mm in corner]
        ds.SliceLocation, ds.SliceThickness = f"{index * step:.3f}", f"{step:g}"
        ds.SpacingBetweenSlices = f"{step:g}"
        ds.PixelSpacing = [f"{row_mm:.3f}", f"{column_mm:.3f}"]
        ds.AcquisitionNumber, ds.KVP, ds.ConvolutionKernel = 1, "120", "STANDARD"
        ds.AcquisitionDate, ds.AcquisitionTime = ds.StudyDate, ds.StudyTime
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = str(-_HU_OFFSET), "1", "HU"
        ds.WindowCenter, ds.WindowWidth = ["-500", "40"], ["1500", "400"]
        ds.PatientOrientation = ["L", "P"]
        stored = np.clip(study.images[index].astype(np.int32) + _HU_OFFSET, 0, 4095).astype(np.uint16)
        _set_pixels(ds, stored, "MONOCHROME2")
        yield ds


def _report(study: PhantomStudy, images: Sequence[Dataset]) -> Dataset:
    """Return the narrative report as a Basic Text or, for even cases, an Enhanced SR after TID 2000."""
    case = study.case
    ds = _object(case, EnhancedSRStorage if case.number % 2 == 0 else BasicTextSRStorage, "report", 1)
    ds.Modality, ds.SeriesNumber, ds.SeriesDescription = "SR", 99, f"{SYNTHETIC} report"
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.PerformedProcedureCodeSequence = []
    ds.CurrentRequestedProcedureEvidenceSequence = [_evidence(images)]
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = _code(("18748-4", "LN", "Diagnostic Imaging Report"))
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2000"
    ds.ContentTemplateSequence = [template]
    ds.ContentSequence = [*_context(), *_sections(study)]
    return ds


def _context() -> list[Dataset]:
    """Return language (TID 1204) and observer (TID 1002, 1003) of the report."""
    language = _item("HAS CONCEPT MOD", "CODE", ("121049", "DCM", "Language of Content Item and Descendants"))
    language.ConceptCodeSequence = _code(("en", "RFC5646", "English"))
    kind = _item("HAS OBS CONTEXT", "CODE", ("121005", "DCM", "Observer Type"))
    kind.ConceptCodeSequence = _code(("121006", "DCM", "Person"))
    name = _item("HAS OBS CONTEXT", "PNAME", ("121008", "DCM", "Person Observer Name"))
    name.PersonName = f"{SYNTHETIC}^RADIOLOGIST"
    return [language, kind, name]


def _sections(study: PhantomStudy) -> Iterator[Dataset]:
    for name, heading, element in _SECTIONS:
        text = _item("CONTAINS", "TEXT", element)
        text.TextValue = getattr(study.report, name)
        section = _item("CONTAINS", "CONTAINER", heading)
        section.ContinuityOfContent = "SEPARATE"
        section.ContentSequence = [text]
        yield section


def _item(relationship: str, value_type: str, name: Code) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relationship, value_type
    item.ConceptNameCodeSequence = _code(name)
    return item


def _evidence(images: Sequence[Dataset]) -> Dataset:
    """Return the images that were read (Current Requested Procedure Evidence, PS3.3 C.17.2)."""
    series, study = Dataset(), Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = images[0].SeriesInstanceUID, []
    for ds in images:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
        series.ReferencedSOPSequence.append(reference)
    study.StudyInstanceUID, study.ReferencedSeriesSequence = images[0].StudyInstanceUID, [series]
    return study
