"""What the node holds, as Query/Retrieve asks for it: rows of DICOM keywords, and files. Read by the DICOM server."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on, insert

from radir_node.catalog.database import Database
from radir_node.catalog.query_keys import IMAGE, PATIENT, SERIES, STUDY, Between, Equal, Key, conditions
from radir_node.catalog.tables import instance, issued_sr, series, study

PAGE = 1000
"""Rows that are in memory at a time. No transaction is open between two pages: a slow peer holds no connection."""

PAGE_TIMEOUT_MS = 10_000

_of_patient = study.alias("of_patient")
_same_patient = sa.and_(
    _of_patient.c.patient_id == study.c.patient_id,
    _of_patient.c.issuer_of_patient_id == study.c.issuer_of_patient_id,
    _of_patient.c.number_of_instances > 0,
)
_of_study = series.alias("of_study")
_in_study = sa.and_(_of_study.c.study_id == study.c.id, _of_study.c.number_of_instances > 0)
_in_series = sa.and_(instance.c.series_id == _of_study.c.id, instance.c.is_current)

COMPUTED: Mapping[str, Mapping[str, sa.ColumnElement[Any]]] = {
    "PATIENT": {
        "NumberOfPatientRelatedStudies": sa.select(sa.func.count()).where(_same_patient).scalar_subquery(),
        "NumberOfPatientRelatedSeries": sa.select(sa.func.count())
        .select_from(_of_patient.join(_of_study, _of_study.c.study_id == _of_patient.c.id))
        .where(_same_patient, _of_study.c.number_of_instances > 0)
        .scalar_subquery(),
        "NumberOfPatientRelatedInstances": sa.select(sa.func.sum(_of_patient.c.number_of_instances))
        .where(_same_patient)
        .scalar_subquery(),
    },
    "STUDY": {
        "ModalitiesInStudy": sa.func.array(
            sa.select(_of_study.c.modality).distinct().where(_in_study).scalar_subquery()
        ),
        "SOPClassesInStudy": sa.func.array(
            sa.select(instance.c.sop_class_uid).distinct().where(_in_study, _in_series).scalar_subquery()
        ),
        "NumberOfStudyRelatedSeries": sa.select(sa.func.count()).where(_in_study).scalar_subquery(),
        "NumberOfStudyRelatedInstances": study.c.number_of_instances,
        "ProcedureCodeSequence": study.c.procedure_code_sequence,
    },
    "SERIES": {"NumberOfSeriesRelatedInstances": series.c.number_of_instances},
    "IMAGE": {},
}
"""Attributes that cost more than a look at the row; only those that a query asks for are computed."""

LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
_PLAIN = dict(zip(LEVELS, (PATIENT, STUDY, SERIES, IMAGE), strict=True))


@dataclass(frozen=True)
class Holdings:
    """Everything that was received and is current."""

    database: Database

    def find(
        self, level: str, keys: Mapping[str, Key], returned: Collection[str] = (), page: int = PAGE
    ) -> Iterator[Mapping[str, object]]:
        """Yield one mapping keyword -> value per entity of the level, by pages; newest first for studies.

        The plain attributes of the level and those above it are always there; what must be computed only when it is in
        `returned` or in `keys`. No key above the level is needed (relational queries, PS3.4 C.4.1.3.2.1). Raises
        DatabaseDown, also when a page takes more than 10 s.
        """
        query = _Query(level, keys, {*returned, *keys})
        after: tuple[Any, ...] | None = None
        while True:
            with self.database.begin() as connection:
                connection.exec_driver_sql(f"set local statement_timeout = {PAGE_TIMEOUT_MS}")
                rows = connection.execute(query.page(after, page)).all()
            for row in rows:
                yield dict(zip(query.names, row, strict=False))
            if len(rows) < page:
                return
            after = tuple(rows[-1][len(query.names) :])

    def files(self, keys: Mapping[str, Key]) -> list[Mapping[str, Any]]:
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
            .select_from(_from("IMAGE"))
            .where(instance.c.is_current, *conditions(keys))
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


class _Query:
    """One query: its columns, and the statement of each page by keyset."""

    def __init__(self, level: str, keys: Mapping[str, Key], asked: Collection[str]) -> None:
        upto = LEVELS[: LEVELS.index(level) + 1]
        columns: dict[str, sa.ColumnElement[Any]] = {k: c for at in upto for k, c in _PLAIN[at].items()}
        columns |= {k: c for at in upto for k, c in COMPUTED[at].items() if k in asked}
        self.names = tuple(columns)
        self._order, self._falls = _order(level, keys)
        position = [column.label(f"position_{n}") for n, column in enumerate(self._order)]
        self._statement = (
            sa.select(*(column.label(name) for name, column in columns.items()), *position)
            .select_from(_from(level))
            .where(*_held(level), *conditions(keys))
        )
        if level == "PATIENT":  # one row each: the newest study that matches says how the patient is named
            self._statement = self._statement.ext(distinct_on(*self._order)).order_by(*self._order, study.c.id.desc())
        else:
            self._statement = self._statement.order_by(*(c.desc() if self._falls else c for c in self._order))

    def page(self, after: tuple[Any, ...] | None, size: int) -> sa.Select[Any]:
        """Return the statement of the rows that follow a position in the order."""
        statement = self._statement.limit(size)
        if after is None:
            return statement
        here, there = sa.tuple_(*self._order), sa.tuple_(*map(sa.literal, after))
        return statement.where(here < there if self._falls else here > there)


def _order(level: str, keys: Mapping[str, Key]) -> tuple[tuple[sa.Column[Any], ...], bool]:
    """Return the columns that an index has in this order, and whether it is walked backwards.

    By date where the date is asked for: newest rows first would be a walk over all that is newer than an old date.
    """
    if level == "PATIENT":
        return (study.c.patient_id, study.c.issuer_of_patient_id), False
    if level == "STUDY":
        by_date = isinstance(keys.get("StudyDate"), Equal | Between)
        return ((study.c.study_date, study.c.id) if by_date else (study.c.id,)), True
    return ((series.c.id,) if level == "SERIES" else (instance.c.id,)), False


def _held(level: str) -> Iterator[sa.ColumnElement[bool]]:
    """An entity all of whose instances moved to another one is no longer there."""
    yield {"SERIES": series.c.number_of_instances > 0, "IMAGE": instance.c.is_current}.get(
        level, study.c.number_of_instances > 0
    )
    if level == "PATIENT":
        yield study.c.patient_id != ""  # the unique key of an answer has a value (PS3.4 C.4.1.1.3.2)


def _from(level: str) -> sa.FromClause:
    if level in ("PATIENT", "STUDY"):
        return study
    with_series = study.join(series, series.c.study_id == study.c.id)
    return with_series if level == "SERIES" else with_series.join(instance, instance.c.series_id == series.c.id)
