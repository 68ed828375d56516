"""Reads what the catalogue keeps of an instance. Called by the receive path for each stored file: it must be quick."""

import datetime as dt
import re
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset

from dicom_services.objects.attributes import date, integer, items, text, valid_uid
from dicom_services.objects.part10 import open_dataset
from radir_node.domain.study import InstanceHeader
from radir_node.errors import NotIndexable

HEADER_KEYWORDS = (
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "Modality",
    "StudyDescription",
    "SeriesDescription",
    "ReferringPhysicianName",
    "ProcedureCodeSequence",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "BodyPartExamined",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyID",
    "SeriesNumber",
    "InstanceNumber",
    "Rows",
    "Columns",
    "NumberOfFrames",
)

_AGE = re.compile(r"(\d{1,3})\s*([DWMY]?)")
_AGE_UNIT_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0, "": 1.0}
_OLDEST_YEARS = 130
_MOST_CODES = 16
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")


def read_header(path: Path) -> InstanceHeader:
    """Read the header of a stored file, without its pixels.

    Text is decoded by the file's Specific Character Set; padding is stripped. Raise NotIndexable, with one clear line,
    when the file cannot be parsed or one of the Study, Series and SOP Instance UIDs is missing or malformed.
    """
    return header_of(open_dataset(path, pixels=False, keywords=HEADER_KEYWORDS))


def header_of(dataset: FileDataset) -> InstanceHeader:
    """Return the header of a data set that is already read. Raise NotIndexable as read_header does."""
    meta = dataset.file_meta
    born, studied = date(dataset, "PatientBirthDate"), date(dataset, "StudyDate")
    return InstanceHeader(
        sop_instance_uid=_required_uid(dataset, "SOPInstanceUID", text(meta, "MediaStorageSOPInstanceUID")),
        sop_class_uid=text(dataset, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID"),
        transfer_syntax_uid=text(meta, "TransferSyntaxUID"),
        study_instance_uid=_required_uid(dataset, "StudyInstanceUID"),
        series_instance_uid=_required_uid(dataset, "SeriesInstanceUID"),
        modality=text(dataset, "Modality").upper(),
        patient_id=text(dataset, "PatientID"),
        issuer_of_patient_id=text(dataset, "IssuerOfPatientID"),
        patient_name=text(dataset, "PatientName"),
        patient_birth_date=born,
        patient_sex=text(dataset, "PatientSex").upper(),
        patient_age_years=age_years(text(dataset, "PatientAge"), born, studied),
        study_id=text(dataset, "StudyID"),
        study_date=studied,
        study_time=text(dataset, "StudyTime"),
        accession_number=text(dataset, "AccessionNumber"),
        study_description=text(dataset, "StudyDescription"),
        referring_physician_name=text(dataset, "ReferringPhysicianName"),
        procedure_code_sequence=_codes(dataset, "ProcedureCodeSequence"),
        series_number=integer(dataset, "SeriesNumber"),
        series_description=text(dataset, "SeriesDescription"),
        body_part_examined=text(dataset, "BodyPartExamined").upper(),
        instance_number=integer(dataset, "InstanceNumber"),
        rows=integer(dataset, "Rows"),
        columns=integer(dataset, "Columns"),
        number_of_frames=integer(dataset, "NumberOfFrames"),
    )


def age_years(patient_age: str, born: dt.date | None, studied: dt.date | None) -> float | None:
    """Return the age in years by Patient's Age (nnnD, nnnW, nnnM, nnnY), else by the two dates; None beyond 0 to 130.

    An age without unit is taken as years, a common fault of writers.
    """
    match = _AGE.fullmatch(patient_age.upper())
    if match is not None:
        years = int(match[1]) * _AGE_UNIT_YEARS[match[2]]
    elif born is not None and studied is not None:
        years = (studied - born).days / 365.25
    else:
        return None
    return round(years, 3) if 0 <= years <= _OLDEST_YEARS else None


def _codes(dataset: Dataset, keyword: str) -> tuple[dict[str, str], ...]:
    """Return the items of a code sequence (PS3.3 table 8.8-1), those without any value left out."""
    codes = ({name: value for name in _CODE if (value := text(item, name))} for item in items(dataset, keyword))
    return tuple(code for code in codes if code)[:_MOST_CODES]


def _required_uid(dataset: Dataset, keyword: str, other: str = "") -> str:
    """Return a UID; other stands in where the attribute is missing."""
    uid = text(dataset, keyword) or other
    if not uid:
        raise NotIndexable(f"{keyword} is missing")
    if not valid_uid(uid):
        raise NotIndexable(f"{keyword} is not a valid UID")
    return uid
