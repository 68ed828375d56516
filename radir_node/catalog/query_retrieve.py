"""What the node holds, as Query/Retrieve asks for it: rows of DICOM keywords, and files. Read by the DICOM server.

Only the keys that an index answers are narrowed here; the server applies every matching key again (PS3.4 C.2.2.2).
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog.database import Database
from radir_node.catalog.tables import instance, issued_sr, series, study

PATIENT = {
    "PatientID": study.c.patient_id,
    "IssuerOfPatientID": study.c.issuer_of_patient_id,
    "PatientName": study.c.patient_name,
    "PatientBirthDate": study.c.patient_birth_date,
    "PatientSex": study.c.patient_sex,
}
STUDY = {
    "StudyInstanceUID": study.c.study_instance_uid,
    "StudyID": study.c.study_id,
    "StudyDate": study.c.study_date,
    "StudyTime": study.c.study_time,
    "AccessionNumber": study.c.accession_number,
    "StudyDescription": study.c.study_description,
    "ReferringPhysicianName": study.c.referring_physician_name,
}
SERIES = {
    "SeriesInstanceUID": series.c.series_instance_uid,
    "Modality": series.c.modality,
    "SeriesNumber": series.c.series_number,
    "SeriesDescription": series.c.series_description,
    "BodyPartExamined": series.c.body_part_examined,
}
IMAGE = {
    "SOPInstanceUID": instance.c.sop_instance_uid,
    "SOPClassUID": instance.c.sop_class_uid,
    "InstanceNumber": instance.c.instance_number,
    "Rows": instance.c.rows,
    "Columns": instance.c.columns,
    "NumberOfFrames": instance.c.number_of_frames,
}
COLUMNS = {**PATIENT, **STUDY, **SERIES, **IMAGE}

LEVELS: Mapping[str, tuple[Mapping[str, sa.ColumnElement[Any]], Mapping[str, sa.ColumnElement[Any]]]] = {
    "PATIENT": (PATIENT, {"NumberOfPatientRelatedStudies": sa.func.count(study.c.id.distinct())}),
    "STUDY": (
        {**PATIENT, **STUDY},
        {
            "ModalitiesInStudy": sa.func.array_agg(series.c.modality.distinct()),
            "NumberOfStudyRelatedSeries": sa.func.count(series.c.id.distinct()),
            "NumberOfStudyRelatedInstances": sa.func.count(instance.c.id),
        },
    ),
    "SERIES": ({**PATIENT, **STUDY, **SERIES}, {"NumberOfSeriesRelatedInstances": sa.func.count(instance.c.id)}),
    "IMAGE": (COLUMNS, {}),
}
"""Level -> (columns that name one entity and those above it, counts)."""


@dataclass(frozen=True)
class Narrowing:
    """Keys that the database applies: exact values by keyword, and a range of Study Date (None = open)."""

    equal: Mapping[str, Collection[str]] = field(default_factory=dict)
    study_date: tuple[dt.date | None, dt.date | None] = (None, None)

    def conditions(self) -> Iterator[sa.ColumnElement[bool]]:
        for keyword, values in self.equal.items():
            yield COLUMNS[keyword].in_(list(values))
        low, high = self.study_date
        if low is not None:
            yield study.c.study_date >= low
        if high is not None:
            yield study.c.study_date <= high


@dataclass(frozen=True)
class Holdings:
    """Everything that was received and is current."""

    database: Database

    def find(self, level: str, narrowing: Narrowing) -> Iterator[Mapping[str, object]]:
        """Yield one mapping keyword -> value per entity of the level, newest study first, a page at a time."""
        columns, counts = LEVELS[level]
        entity = {"PATIENT": [], "IMAGE": [study.c.id, instance.c.id]}.get(level, [study.c.id])
        statement = (
            sa.select(*(c.label(name) for name, c in {**columns, **counts}.items()))
            .select_from(_joined())
            .where(*narrowing.conditions())
            .group_by(*columns.values(), *entity)
        )
        if level != "PATIENT":
            statement = statement.order_by(study.c.id.desc())
        with self.database.begin() as connection:
            for row in connection.execution_options(yield_per=200).execute(statement).mappings():
                yield dict(row)

    def files(self, narrowing: Narrowing) -> list[Mapping[str, Any]]:
        """Return path, SOP class, transfer syntax and UIDs of the current instances, in series and instance order."""
        statement = (
            sa.select(
                instance.c.path,
                instance.c.sop_class_uid,
                instance.c.sop_instance_uid,
                instance.c.transfer_syntax_uid,
                study.c.study_instance_uid,
                series.c.series_instance_uid,
            )
            .select_from(_joined())
            .where(*narrowing.conditions())
            .order_by(study.c.id, series.c.series_number, series.c.id, instance.c.instance_number, instance.c.id)
        )
        with self.database.begin() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def issued(self, sop_instance_uid: str) -> Mapping[str, Any] | None:
        """Return path and study of a Structured Report the node has made before."""
        statement = (
            sa.select(issued_sr.c.path, issued_sr.c.series_instance_uid, study.c.study_instance_uid)
            .join(study, study.c.id == issued_sr.c.study_id)
            .where(issued_sr.c.sop_instance_uid == sop_instance_uid)
        )
        with self.database.begin() as connection:
            row = connection.execute(statement).mappings().one_or_none()
            return dict(row) if row else None

    def remember(self, sop_instance_uid: str, series_instance_uid: str, study_id: int, path: str) -> str:
        """Record a Structured Report that was made; return the path in force (the first one, if two raced)."""
        values = {
            "sop_instance_uid": sop_instance_uid,
            "series_instance_uid": series_instance_uid,
            "study_id": study_id,
            "path": path,
        }
        with self.database.begin() as connection:
            connection.execute(insert(issued_sr).values(values).on_conflict_do_nothing())
            kept = sa.select(issued_sr.c.path).where(issued_sr.c.sop_instance_uid == sop_instance_uid)
            return str(connection.execute(kept).scalar_one())


def _joined() -> sa.FromClause:
    current = sa.and_(instance.c.series_id == series.c.id, instance.c.is_current)
    return study.join(series, series.c.study_id == study.c.id).join(instance, current)
