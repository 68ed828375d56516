"""Writes the answer to "cases like this" as a DICOM Structured Report inside the study that was asked about.

Called by the node when the virtual series is retrieved, and by `radir sr`.
"""

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_services.identity import IMPLEMENTATION_CLASS_UID
from dicom_services.sr import codes, uids
from dicom_services.sr.codes import Code
from dicom_services.sr.content import NodeIdentity, content_of
from dicom_services.sr.enhanced import Site, content_tree
from radir_node.domain import anatomy
from radir_node.domain.embedding import GLOBAL
from radir_node.domain.match import SimilarCases
from radir_node.domain.study import InstanceHeader


def write_similar_cases(
    cases: SimilarCases,
    query_images: Sequence[InstanceHeader],
    out: Path,
    *,
    device: NodeIdentity,
    computed: dt.datetime,
    reference: str = "the archive of this node",
) -> Path:
    """Write the document to `out` and return it; the file appears whole or not at all.

    query_images: headers of the images that were compared, at least one, all of the study that was asked about; the
    first one lends patient and study. computed: aware; written as local time. The SOP Instance UID depends on
    question, model and index snapshot alone (uids.instance_uid), so keep the file and serve it again.
    Raises ValueError when an image is of another study.
    """
    if any(image.study_instance_uid != cases.query.study_instance_uid for image in query_images):
        raise ValueError("a query image is not of the study that was asked about")
    when = computed.astimezone()
    content = content_of(cases, device, when, query_images=len(query_images), reference=reference)
    document = content_tree(content, device, _site(cases.anatomy_used))
    _patient_and_study(document, query_images[0])
    _series_and_equipment(document, cases, device)
    _document_general(document, query_images, when)
    _common(document, cases, when)
    return _save(document, out)


def _site(key: str) -> Site | None:
    if key == GLOBAL:
        return None
    code = Code(*anatomy.code(key))
    side = anatomy.laterality_code(anatomy.AnatomyRef.from_key(key).side)
    return Site(code, Code(*side) if side else None)


def _patient_and_study(ds: Dataset, header: InstanceHeader) -> None:
    """PS3.3 C.7.1.1 and C.7.2.1, copied: the document belongs beside the images that it is about."""
    ds.PatientName = header.patient_name
    ds.PatientID = header.patient_id
    if header.issuer_of_patient_id:
        ds.IssuerOfPatientID = header.issuer_of_patient_id
    ds.PatientBirthDate = _da(header.patient_birth_date)
    ds.PatientSex = header.patient_sex
    ds.StudyInstanceUID = header.study_instance_uid
    ds.StudyDate = _da(header.study_date)
    ds.StudyTime = header.study_time
    ds.ReferringPhysicianName = header.referring_physician_name
    ds.StudyID = header.study_id
    ds.AccessionNumber = header.accession_number
    if header.study_description:
        ds.StudyDescription = header.study_description


def _series_and_equipment(ds: Dataset, cases: SimilarCases, device: NodeIdentity) -> None:
    """PS3.3 C.17.1, C.7.5.1, and the model as contributing equipment (C.12.1)."""
    ds.Modality = "SR"
    ds.SeriesInstanceUID = uids.series_uid(cases.query.study_instance_uid)
    ds.SeriesNumber = uids.SERIES_NUMBER
    ds.SeriesDescription = uids.SERIES_DESCRIPTION
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.Manufacturer = device.manufacturer
    ds.ManufacturerModelName = device.name
    ds.SoftwareVersions = device.version
    model = Dataset()
    model.PurposeOfReferenceCodeSequence = [codes.PROCESSING_EQUIPMENT.concept()]
    model.Manufacturer = device.manufacturer
    model.ManufacturerModelName = cases.model_id
    model.SoftwareVersions = device.version
    model.DeviceUID = device.device_uid
    ds.ContributingEquipmentSequence = [model]


def _document_general(ds: Dataset, images: Sequence[InstanceHeader], when: dt.datetime) -> None:
    """PS3.3 C.17.2: complete, made by a program, preliminary until a person decides otherwise."""
    ds.InstanceNumber = 1
    ds.ContentDate, ds.ContentTime = f"{when:%Y%m%d}", f"{when:%H%M%S}"
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    ds.PreliminaryFlag = "PRELIMINARY"
    ds.PerformedProcedureCodeSequence = []
    ds.CurrentRequestedProcedureEvidenceSequence = [_evidence(images)]


def _evidence(images: Sequence[InstanceHeader]) -> Dataset:
    """The query images and nothing else: a reference to another patient's object would be a link between records."""
    study = Dataset()
    study.StudyInstanceUID = images[0].study_instance_uid
    study.ReferencedSeriesSequence = []
    for series_uid in dict.fromkeys(image.series_instance_uid for image in images):
        series = Dataset()
        series.SeriesInstanceUID = series_uid
        series.ReferencedSOPSequence = [_reference(i) for i in images if i.series_instance_uid == series_uid]
        study.ReferencedSeriesSequence.append(series)
    return study


def _reference(image: InstanceHeader) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.sop_class_uid
    reference.ReferencedSOPInstanceUID = image.sop_instance_uid
    return reference


def _common(ds: Dataset, cases: SimilarCases, when: dt.datetime) -> None:
    """PS3.3 C.12.1."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = uids.SOP_CLASS_UID
    ds.SOPInstanceUID = uids.instance_uid(cases.query, cases.anatomy_used, cases.model_id, cases.snapshot_id)
    ds.InstanceCreationDate, ds.InstanceCreationTime = ds.ContentDate, ds.ContentTime
    scheme = Dataset()
    scheme.CodingSchemeDesignator = codes.PRIVATE_SCHEME
    scheme.CodingSchemeName = codes.PRIVATE_SCHEME_NAME
    scheme.CodingSchemeVersion = codes.PRIVATE_SCHEME_VERSION
    scheme.CodingSchemeResponsibleOrganization = "RadIR node project"
    ds.CodingSchemeIdentificationSequence = [scheme]


def _save(ds: Any, out: Path) -> Path:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            ds.save_as(file, enforce_file_format=True)
            file.flush()
            os.fsync(file.fileno())
        return part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _da(date: dt.date | None) -> str:
    return "" if date is None else f"{date:%Y%m%d}"
