"""Studies as cases: what a search needs of its query, and what people are shown of an answer."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from radir_node.catalog.database import Database
from radir_node.catalog.tables import disclosure, embedding, report, report_tag, series, study
from radir_node.domain.report import Status, Tag
from radir_node.domain.study import Completion, Evidence, Modality, StudyState


@dataclass(frozen=True, slots=True)
class CaseReport:
    """A stored report with its tags."""

    text: str
    tags: tuple[Tag, ...]
    language: str = "en"
    """Of the lexicon that it was read with; empty where it is in another language: it was not parsed."""
    identifiers: tuple[str, ...] = ()
    """Names of patient and physicians that the message held, beside those of the study."""


@dataclass(frozen=True, slots=True)
class Case:
    """One study with what a result may show of it, and what must be scrubbed from its text."""

    id: int
    study_instance_uid: str
    case_id: str
    """Pseudonym, the only name of the study that people see outside its own record."""
    state: StudyState
    reason: str
    modality: Modality | None
    received_modalities: str
    patient_code: int
    study_date: dt.date | None
    age_years: float | None
    sex: str
    received_at: dt.datetime
    completion: Completion
    """How it was established that all of the study is here."""
    evidence: Evidence
    has_vectors: bool
    reports: tuple[CaseReport, ...]
    identifiers: tuple[str, ...]
    """Names, ids and accession number of the patient and people of this very study."""


@dataclass(frozen=True)
class Cases:
    """Read studies as cases."""

    database: Database

    def by_uid(self, study_instance_uid: str) -> Case | None:
        return self._one(study.c.study_instance_uid == study_instance_uid)

    def by_uids(self, study_instance_uids: Collection[str]) -> dict[str, Case]:
        """Return the known ones of these studies by Study Instance UID."""
        found = self._select(study.c.study_instance_uid.in_(study_instance_uids))
        return {case.study_instance_uid: case for case in found}

    def by_accession(self, accession_number: str) -> Case | None:
        """Return the study received last under an accession number."""
        return self._one(study.c.accession_number == accession_number)

    def by_case_id(self, case_id: str) -> Case | None:
        return self._one(study.c.case_id == case_id)

    def by_id(self, study_id: int) -> Case | None:
        return self._one(study.c.id == study_id)

    def many(self, ids: Collection[int]) -> dict[int, Case]:
        return {case.id: case for case in self._select(study.c.id.in_(ids))}

    def recent(self, limit: int) -> Sequence[Case]:
        """Return the studies received last, newest first."""
        return self._select(sa.true(), limit)

    def in_states(self, states: Collection[StudyState], limit: int) -> Sequence[Case]:
        return self._select(study.c.state.in_(states), limit)

    def disclosed(self, actor: str, query_study_id: int, shown: Iterable[int]) -> None:
        """Record that cases of other patients were shown: one row each (dicom spec 7, audit)."""
        rows = [{"actor": actor, "query_study_id": query_study_id, "disclosed_study_id": key} for key in shown]
        if rows:
            with self.database.begin() as connection:
                connection.execute(sa.insert(disclosure), rows)

    def _one(self, condition: sa.ColumnElement[bool]) -> Case | None:
        return next(iter(self._select(condition, 1)), None)

    def _select(self, condition: sa.ColumnElement[bool], limit: int | None = None) -> list[Case]:
        modalities = sa.select(sa.func.string_agg(series.c.modality.distinct(), ", ")).where(
            series.c.study_id == study.c.id
        )
        statement = (
            sa.select(
                study,
                modalities.scalar_subquery().label("received_modalities"),
                sa.exists().where(embedding.c.study_id == study.c.id).label("has_vectors"),
            )
            .where(condition)
            .order_by(study.c.last_received_at.desc(), study.c.id)
            .limit(limit)
        )
        with self.database.begin() as connection:
            rows = connection.execute(statement).all()
            reports = _reports(connection, [row.id for row in rows])
        return [_case(row, reports.get(row.id, ())) for row in rows]


def _case(row: sa.Row[Any], reports: Sequence[CaseReport]) -> Case:
    return Case(
        id=row.id,
        study_instance_uid=row.study_instance_uid,
        case_id=row.case_id,
        state=StudyState(row.state),
        reason=row.reason,
        modality=Modality(row.modality) if row.modality else None,
        received_modalities=row.received_modalities or "",
        patient_code=row.patient_code,
        study_date=row.study_date,
        age_years=row.patient_age_years,
        sex=row.patient_sex,
        received_at=row.last_received_at,
        completion=Completion(row.completion),
        evidence=Evidence(row.evidence),
        has_vectors=row.has_vectors,
        reports=tuple(reports),
        identifiers=_identifiers(row),
    )


def _identifiers(row: sa.Row[Any]) -> tuple[str, ...]:
    """Names whole, as they came: their parts are known by where they stand in them."""
    names = ("patient_name", "referring_physician_name", "patient_id", "accession_number", "study_id")
    return tuple(dict.fromkeys(value for name in names if len(value := getattr(row, name).strip()) > 1))


def _reports(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[CaseReport]]:
    tags: dict[int, list[Tag]] = {}
    of_studies = sa.select(report.c.id).where(report.c.study_id.in_(ids))
    for row in connection.execute(
        sa.select(report_tag).where(report_tag.c.report_id.in_(of_studies)).order_by(report_tag.c.span_start)
    ):
        span = (row.span_start, row.span_end, row.sentence_start, row.sentence_end)
        said = Tag(row.finding, row.anatomy, Status(row.status), *span, row.rule, row.change)
        tags.setdefault(row.report_id, []).append(said)
    found: dict[int, list[CaseReport]] = {}
    for row in connection.execute(sa.select(report).where(report.c.study_id.in_(ids)).order_by(report.c.id)):
        shown = CaseReport(row.text, tuple(tags.get(row.id, ())), row.language, tuple(row.identifiers))
        found.setdefault(row.study_id, []).append(shown)
    return found
