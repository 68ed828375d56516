"""The life of a study in the catalogue: taken up for indexing, finished with its vectors, listed for people."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import procrastinate
import sqlalchemy as sa

from radir_node.catalog import jobs
from radir_node.catalog.database import Database
from radir_node.catalog.outcome_rows import unchanged_units, write_outcome
from radir_node.catalog.tables import embedding, instance, report, series, study
from radir_node.catalog.transitions import OPEN_STATES
from radir_node.domain.indexing import Outcome, StudyWork
from radir_node.domain.study import InstanceHeader, StudyState

_ORPHANS = sa.text("""
    select id, state from study where state in ('receiving', 'quiet', 'queued', 'encoding') and not exists (
        select from jobs.procrastinate_jobs where lock = 'study:' || study.id and status in ('todo', 'doing')
    ) for update skip locked
""")

NEXT_TRY = dt.timedelta(seconds=10)
"""How long a study waits whose indexing met something that may pass."""


@dataclass(frozen=True)
class Studies:
    """Studies as the indexing job and the command line see them."""

    database: Database
    job_app: procrastinate.App
    follow_ups: tuple[str, ...] = ()
    """Tasks that an indexed study causes, enqueued in the transaction that finishes it."""

    def start(self, study_id: int) -> StudyWork | None:
        """Take up a queued study; None when there is nothing to do (it was reopened, or is done already)."""
        with self.database.begin() as connection:
            row = connection.execute(
                sa.select(study).where(study.c.id == study_id).with_for_update(key_share=True)
            ).one_or_none()
            if row is None or row.state not in (StudyState.QUEUED, StudyState.ENCODING):
                return None
            connection.execute(sa.update(study).where(study.c.id == study_id).values(state=StudyState.ENCODING))
            found = _instances(connection, study_id, row)
            return StudyWork(study_id, found, row.last_received_at, unchanged_units(connection, study_id))

    def finish(self, work: StudyWork, outcome: Outcome) -> bool:
        """Write everything about an indexed study at once; False, and nothing, when it was reopened meanwhile."""
        with self.database.begin() as connection:
            row = connection.execute(
                sa.select(study.c.state, study.c.last_received_at)
                .where(study.c.id == work.study_id)
                .with_for_update(key_share=True)
            ).one()
            if row.state != StudyState.ENCODING or row.last_received_at != work.mark:
                return False
            write_outcome(connection, work.study_id, outcome)
            connection.execute(
                sa.update(study)
                .where(study.c.id == work.study_id)
                .values(
                    state=outcome.state,
                    reason=outcome.reason,
                    modality=outcome.modality or "",
                    indexed_at=sa.func.now() if outcome.state is StudyState.INDEXED else None,
                )
            )
            if outcome.state is StudyState.INDEXED:
                for task in self.follow_ups:
                    jobs.defer(self.job_app, connection, task, study=work.study_id)
            return True

    def encoded_images(self, study_id: int) -> tuple[InstanceHeader, ...]:
        """Return the headers of the images whose vectors are indexed: radiographs, or the slices of a CT series."""
        units = sa.select(embedding.c.unit_uid).where(embedding.c.study_id == study_id)
        encoded = sa.or_(instance.c.sop_instance_uid.in_(units), series.c.series_instance_uid.in_(units))
        with self.database.begin() as connection:
            row = connection.execute(sa.select(study).where(study.c.id == study_id)).one()
            return tuple(header for _, header in _instances(connection, study_id, row, encoded))

    def postpone(self, study_id: int, reason: str) -> None:
        """Back to the queue with a new job, whose attempts count from 0; nothing when it was reopened meanwhile."""
        with self.database.begin() as connection:
            if _leave_encoding(connection, study_id, StudyState.QUEUED, reason):
                jobs.defer(self.job_app, connection, jobs.INDEX, study=study_id, at=dt.datetime.now(dt.UTC) + NEXT_TRY)

    def fail(self, study_id: int, reason: str) -> None:
        """Given up; the admin page lists it with the reason."""
        with self.database.begin() as connection:
            _leave_encoding(connection, study_id, StudyState.FAILED, reason)

    def adopt(self) -> int:
        """Give a job to every unfinished study that has none, whatever became of it; return how many there were."""
        with self.database.begin() as connection:
            orphans = connection.execute(_ORPHANS).all()
            for row in orphans:
                task = jobs.SETTLE if row.state in OPEN_STATES else jobs.INDEX
                jobs.defer(self.job_app, connection, task, study=row.id)
        return len(orphans)

    def reindex(self, states: Collection[StudyState], study_instance_uid: str = "") -> int:
        """Queue studies in those states for indexing again, every image of them, all or one; return how many."""
        chosen: sa.ColumnElement[bool] = study.c.state.in_(states)
        if study_instance_uid:
            chosen &= study.c.study_instance_uid == study_instance_uid
        with self.database.begin() as connection:
            in_order = (
                sa.select(study.c.id).where(chosen).order_by(study.c.study_instance_uid).with_for_update(key_share=True)
            )
            found = list(connection.execute(in_order).scalars())
            again = {"state": StudyState.QUEUED, "reason": ""}
            connection.execute(sa.update(study).where(study.c.id.in_(found)).values(**again))
            connection.execute(sa.update(series).where(series.c.study_id.in_(found)).values(indexed_content=""))
            for key in found:
                jobs.defer(self.job_app, connection, jobs.INDEX, study=key)
        return len(found)

    def list(self) -> Sequence[Mapping[str, Any]]:
        """Return every study as `radir studies --json` prints it, newest first."""
        held = sa.func.string_agg(series.c.modality.distinct(), ",")
        statement = (
            sa.select(
                study.c.study_instance_uid,
                study.c.state,
                study.c.reason,
                study.c.completion,
                study.c.evidence,
                sa.func.coalesce(sa.func.nullif(study.c.modality, ""), held).label("modality"),
                study.c.number_of_instances.label("instances"),
                study.c.expected_instances,
            )
            .join(series, series.c.study_id == study.c.id)
            .where(series.c.number_of_instances > 0)
            .group_by(study.c.id)
            .order_by(study.c.first_received_at.desc())
        )
        with self.database.begin() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def instances(self, study_instance_uid: str) -> Sequence[Mapping[str, Any]]:
        """Return the current instances of a study, each with the reason why it is not indexed, if any."""
        statement = (
            sa.select(instance.c.sop_instance_uid, instance.c.sop_class_uid, instance.c.path, instance.c.reason)
            .join(series, series.c.id == instance.c.series_id)
            .join(study, study.c.id == series.c.study_id)
            .where(study.c.study_instance_uid == study_instance_uid, instance.c.is_current)
            .order_by(instance.c.id)
        )
        with self.database.begin() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def counts(self) -> Mapping[str, Any]:
        """Return instances, studies by state, indexed studies by modality, and reports."""
        with self.database.begin() as connection:
            by_state = connection.execute(sa.select(study.c.state, sa.func.count()).group_by(study.c.state)).all()
            indexed = connection.execute(
                sa.select(study.c.modality, sa.func.count())
                .where(study.c.state == StudyState.INDEXED)
                .group_by(study.c.modality)
            ).all()
            held = sa.select(sa.func.coalesce(sa.func.sum(study.c.number_of_instances), 0))
            return {
                "instances": connection.execute(held).scalar_one(),
                "studies": {state: n for state, n in by_state},
                "indexed": {modality: n for modality, n in indexed},
                "reports": connection.execute(sa.select(sa.func.count()).select_from(report)).scalar_one(),
            }


def _instances(
    connection: sa.Connection, study_id: int, study_row: sa.Row[Any], *conditions: sa.ColumnElement[bool]
) -> tuple[tuple[str, InstanceHeader], ...]:
    rows = connection.execute(
        sa.select(instance, series)
        .join(series, series.c.id == instance.c.series_id)
        .where(series.c.study_id == study_id, instance.c.is_current, *conditions)
        .order_by(series.c.series_number, instance.c.instance_number, instance.c.id)
    ).mappings()
    shared = {name: getattr(study_row, name) for name in _header_names(study)}
    return tuple((row["path"], InstanceHeader(**{**shared, **_header_part(row)})) for row in rows)


def _leave_encoding(connection: sa.Connection, study_id: int, state: StudyState, reason: str) -> bool:
    """Change the state of a study that is being encoded; False when it is not."""
    encoding = sa.update(study).where(study.c.id == study_id, study.c.state == StudyState.ENCODING)
    return connection.execute(encoding.values(state=state, reason=reason)).rowcount > 0


def _header_names(table: sa.Table) -> set[str]:
    names = {column.name for column in table.c} & set(InstanceHeader.__dataclass_fields__)
    return names - {"modality"} if table is study else names - {"study_id"}


def _header_part(row: sa.RowMapping) -> dict[str, Any]:
    return {name: row[table.c[name]] for table in (series, instance) for name in _header_names(table)}
