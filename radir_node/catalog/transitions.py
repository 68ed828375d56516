"""The moves of a study between its states, each inside the caller's transaction and under the lock of the study's row.

    receiving -> quiet -> queued -> encoding -> indexed | not_indexable | failed

An instance that arrives, or the operator, leads back to receiving. Called by intake.py, completion.py and studies.py.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import procrastinate
import sqlalchemy as sa

from radir_node.catalog import jobs
from radir_node.catalog.tables import study
from radir_node.domain.study import Completion, Evidence, StudyState

OPEN_STATES = (StudyState.RECEIVING, StudyState.QUIET)
"""A settle job is pending for a study in one of these."""

PAUSE = dt.timedelta(seconds=1)
"""A study that got nothing for this long is shown as quiet rather than receiving."""


@dataclass(frozen=True)
class QuietTimes:
    """Seconds without a new instance after which a study counts as complete."""

    radiograph: float
    ct: float

    def of(self, modalities: Collection[str]) -> dt.timedelta:
        return dt.timedelta(seconds=self.ct if "CT" in modalities else self.radiograph)


def queue_for_indexing(
    connection: sa.Connection, app: procrastinate.App, study_id: int, completion: Completion, evidence: Evidence
) -> None:
    """The study is complete, as far as can be known: nothing waits for more of it any longer."""
    values = {"state": StudyState.QUEUED, "reason": "", "completion": completion, "evidence": evidence}
    connection.execute(sa.update(study).where(study.c.id == study_id).values(**values))
    jobs.withdraw(connection, jobs.SETTLE, study=study_id)
    jobs.defer(app, connection, jobs.INDEX, study=study_id)


@dataclass(frozen=True, slots=True)
class Opening:
    """A study that is no longer complete, whatever had been established."""

    study_id: int
    received: dt.datetime
    """Where its quiet time starts."""
    opened: dt.datetime
    """Where its force timer starts; that of a study which is open already runs on."""


_OPEN_AGAIN = sa.text("""
    update study set state = 'receiving', reason = '', completion = '', evidence = '',
        expected_instances = null, times_asked = 0,
        opened_at = case when state in ('receiving', 'quiet') then opened_at else opening.opened end,
        last_received_at = greatest(last_received_at, opening.received)
    from unnest(cast(:ids as bigint[]), cast(:received as timestamptz[]), cast(:opened as timestamptz[]))
        as opening (id, received, opened)
    where study.id = opening.id
""")


def open_again(connection: sa.Connection, openings: Sequence[Opening]) -> None:
    """Let studies settle anew; the caller sees to their jobs."""
    values = {
        "ids": [one.study_id for one in openings],
        "received": [one.received for one in openings],
        "opened": [one.opened for one in openings],
    }
    connection.execute(_OPEN_AGAIN, values)
