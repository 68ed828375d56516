"""The exchange with peers as people look at it: studies that are not complete, deliveries and reports that are owed.

Read-only, for `radir status`, `radir deliveries`, `radir commitments`, the DICOM page and the metrics.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from radir_node.catalog import attempts
from radir_node.catalog.database import Database
from radir_node.catalog.tables import commitment, delivery, refusal, series, study
from radir_node.catalog.transitions import OPEN_STATES
from radir_node.domain.study import Completion, StudyState

FINISHED_STATES = (StudyState.INDEXED, StudyState.NOT_INDEXABLE, StudyState.FAILED)

_MISSING: sa.ColumnElement[int] = sa.literal_column(
    """(
        select count(*) from announcement, unnest(sop_instance_uids) as named (uid)
        where announcement.study_instance_uid = study.study_instance_uid and not exists
            (select from instance where sop_instance_uid = named.uid and is_current)
    )""",
    sa.Integer,
).label("missing")
_IN_PROGRESS: sa.ColumnElement[bool] = sa.literal_column(
    """exists (
        select from mpps where mpps.state = 'IN PROGRESS' and study_instance_uids @> array[study.study_instance_uid]
        and updated_at > now() - interval '1 day'
    )""",
    sa.Boolean,
).label("in_progress")


@dataclass(frozen=True, slots=True)
class Owed:
    """How much is owed to peers."""

    deliveries_waiting: int
    deliveries_dead: int
    reports_waiting: int
    reports_dead: int


@dataclass(frozen=True)
class Exchange:
    """One object per process; thread-safe."""

    database: Database

    def owed(self) -> Owed:
        """Count deliveries and storage commitment reports that are not with their peers."""
        with self.database.begin() as connection:
            counts = [
                connection.execute(sa.select(sa.func.count()).where(table.c.state == state)).scalar_one()
                for table in (delivery, commitment)
                for state in (attempts.WAITING, attempts.DEAD)
            ]
        return Owed(*counts)

    def completions(self) -> Mapping[Completion, int]:
        """Return how many studies are complete, by how that was established; open ones are not counted."""
        counted = sa.select(study.c.completion, sa.func.count()).group_by(study.c.completion)
        with self.database.begin() as connection:
            found = {Completion(name): n for name, n in connection.execute(counted)}
        return {kind: found.get(kind, 0) for kind in Completion if kind is not Completion.OPEN}

    def open_studies(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return studies of which more may come, with what is known of it; those that wait longest first."""
        columns = (*_shown(), study.c.expected_instances, study.c.opened_at, _MISSING, _IN_PROGRESS)
        chosen = sa.select(*columns).where(study.c.state.in_(OPEN_STATES)).order_by(study.c.opened_at)
        return self._rows(chosen.limit(limit))

    def finished_studies(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return finished studies with how their completion was established, those received last first."""
        chosen = sa.select(*_shown(), study.c.completion, study.c.evidence).where(study.c.state.in_(FINISHED_STATES))
        return self._rows(chosen.order_by(study.c.last_received_at.desc()).limit(limit))

    def deliveries(self, limit: int | None = None) -> Sequence[Mapping[str, Any]]:
        """Return objects that are not with their peers: the dead first, then by their next attempt."""
        row = delivery.c
        statement = (
            sa.select(study.c.study_instance_uid, study.c.case_id, row.peer, *_attempts(delivery))
            .join(study, study.c.id == row.study_id)
            .where(row.state != attempts.DELIVERED)
        )
        return self._rows(_in_order(statement, delivery, limit))

    def reports(self, limit: int | None = None) -> Sequence[Mapping[str, Any]]:
        """Return storage commitment reports that are owed: the dead first, then by their next attempt."""
        row = commitment.c
        instances = sa.func.jsonb_array_length(row["items"]).label("instances")
        statement = sa.select(row.calling_ae_title, instances, *_attempts(commitment)).where(
            row.state != attempts.DELIVERED
        )
        return self._rows(_in_order(statement, commitment, limit))

    def refusals(self, limit: int) -> Sequence[tuple[str, str, int, dt.datetime, dt.datetime]]:
        """Return what was not accepted: (reason, AE title, times, first time, last time), newest first."""
        row = refusal.c
        times = sa.cast(sa.func.sum(row.times), sa.BigInteger)
        first, last = sa.func.min(row.first_at), sa.func.max(row.at)
        statement = sa.select(row.reason, row.calling_ae_title, times, first, last).group_by(
            row.reason, row.calling_ae_title
        )
        with self.database.begin() as connection:
            found = connection.execute(statement.order_by(last.desc()).limit(limit)).all()
        return [(row[0], row[1], row[2], row[3], row[4]) for row in found]

    def _rows(self, statement: sa.Select[Any]) -> Sequence[Mapping[str, Any]]:
        with self.database.begin() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]


def _shown() -> tuple[sa.ColumnElement[Any], ...]:
    modalities = sa.select(sa.func.string_agg(series.c.modality.distinct(), ", ")).where(
        series.c.study_id == study.c.id
    )
    return (
        study.c.case_id,
        study.c.state,
        study.c.number_of_instances,
        study.c.last_received_at,
        modalities.scalar_subquery().label("modalities"),
    )


def _attempts(table: sa.Table) -> tuple[sa.ColumnElement[Any], ...]:
    return tuple(table.c[name] for name in ("id", "state", "attempts", "reason", "created_at", "next_attempt_at"))


def _in_order(statement: sa.Select[Any], table: sa.Table, limit: int | None) -> sa.Select[Any]:
    dead_first = (table.c.state == attempts.DEAD).desc()
    return statement.order_by(dead_first, table.c.next_attempt_at, table.c.id).limit(limit)
