"""Matching keys of a query as SQL conditions, each of a kind that an index answers where there is one.

Conditions only narrow: the DICOM server applies every matching key again to the rows (PS3.4 C.2.2.2), so what cannot be
said exactly in SQL is said more widely, or not at all. Called by query_retrieve.py.
"""

import datetime as dt
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from radir_node.catalog.rows import storable_text
from radir_node.catalog.tables import instance, series, study

PATIENT: Mapping[str, sa.Column[Any]] = {
    "PatientID": study.c.patient_id,
    "IssuerOfPatientID": study.c.issuer_of_patient_id,
    "PatientName": study.c.patient_name,
    "PatientBirthDate": study.c.patient_birth_date,
    "PatientSex": study.c.patient_sex,
}
STUDY: Mapping[str, sa.Column[Any]] = {
    "StudyInstanceUID": study.c.study_instance_uid,
    "StudyID": study.c.study_id,
    "StudyDate": study.c.study_date,
    "StudyTime": study.c.study_time,
    "AccessionNumber": study.c.accession_number,
    "StudyDescription": study.c.study_description,
    "ReferringPhysicianName": study.c.referring_physician_name,
}
SERIES: Mapping[str, sa.Column[Any]] = {
    "SeriesInstanceUID": series.c.series_instance_uid,
    "Modality": series.c.modality,
    "SeriesNumber": series.c.series_number,
    "SeriesDescription": series.c.series_description,
    "BodyPartExamined": series.c.body_part_examined,
}
IMAGE: Mapping[str, sa.Column[Any]] = {
    "SOPInstanceUID": instance.c.sop_instance_uid,
    "SOPClassUID": instance.c.sop_class_uid,
    "InstanceNumber": instance.c.instance_number,
    "Rows": instance.c.rows,
    "Columns": instance.c.columns,
    "NumberOfFrames": instance.c.number_of_frames,
}
_DAY = len("YYYYMMDD")

COLUMNS: Mapping[str, sa.Column[Any]] = {**PATIENT, **STUDY, **SERIES, **IMAGE}


@dataclass(frozen=True, slots=True)
class Equal:
    """One of these values; a single one, or a list of UIDs."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """One of these patterns; wild cards "*" = any run of characters, "?" = any one."""

    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """Both ends are inside; an empty end is open."""

    low: str
    high: str


Key = Equal | Like | Between


def conditions(keys: Mapping[str, Key]) -> Iterator[sa.ColumnElement[bool]]:
    """Yield what rows of study, series and instance must satisfy for the keys; nothing for keys without a column.

    Patient's Name is compared folded (radir_node.domain.person_name).
    """
    for keyword, key in keys.items():
        condition: sa.ColumnElement[bool] | None = None
        if keyword == "ModalitiesInStudy":
            condition = _modality_in_study(key)
        elif keyword == "PatientName":
            condition = _text(study.c.patient_name_key, key)
        elif keyword == "StudyTime":
            condition = _text(sa.func.replace(study.c.study_time, ":", ""), key)
        elif keyword in COLUMNS:
            condition = _condition(COLUMNS[keyword], key)
        if condition is not None:
            yield condition


def _condition(column: sa.Column[Any], key: Key) -> sa.ColumnElement[bool] | None:
    if isinstance(column.type, sa.Date):
        return _date(column, key)
    if isinstance(column.type, sa.Integer):
        return _integer(column, key)
    return _text(column, key)


def _text(column: sa.ColumnElement[str], key: Key) -> sa.ColumnElement[bool]:
    match key:
        case Equal(values):
            return column == sa.any_(sa.literal([storable_text(value) for value in values], sa.ARRAY(sa.Text)))
        case Like(patterns):
            return sa.or_(*(column.like(_like(storable_text(pattern))) for pattern in patterns))
        case Between(low, high):
            ends = [column >= storable_text(low)] if low else []
            return sa.and_(column != "", *ends, *([column <= storable_text(high)] if high else []))


def _like(pattern: str) -> str:
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def _date(column: sa.ColumnElement[dt.date], key: Key) -> sa.ColumnElement[bool] | None:
    match key:
        case Equal((value,)) if len(value) == _DAY and (day := _day(value)):
            return column == day
        case Between(low, high):
            ends = [column >= day] if (day := _day(low)) else []
            ends += [column <= day] if (day := _day(high)) else []
            return sa.and_(column.is_not(None), *ends)
    return None


def _day(text: str) -> dt.date | None:
    """Return an end of a DA range as a date, at the nearest day that exists: 20240000 and 20249999 mean all of 2024.

    None (no narrowing) when it is no date at all.
    """
    if not (text.isascii() and text.isdigit() and len(text) == _DAY):
        return None
    year, month, day = int(text[:4]), min(max(int(text[4:6]), 1), 12), max(int(text[6:]), 1)
    if year == 0:
        return None
    return dt.date(year, month, min(day, monthrange(year, month)[1]))


def _integer(column: sa.ColumnElement[int], key: Key) -> sa.ColumnElement[bool] | None:
    match key:
        case Equal(values) if all(_is_plain_number(value) for value in values):
            return column.in_([int(value) for value in values])
    return None


def _is_plain_number(text: str) -> bool:
    """Say whether the text is how a number in an integer column is written."""
    return text.isascii() and text.isdigit() and len(text) < 10 and str(int(text)) == text


def _modality_in_study(key: Key) -> sa.ColumnElement[bool]:
    other = series.alias("any_series")
    return sa.exists().where(
        other.c.study_id == study.c.id, other.c.number_of_instances > 0, _text(other.c.modality, key)
    )
